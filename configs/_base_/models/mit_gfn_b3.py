# MiT-B3 with global filters (GFN). Widths are the paper's (A.3).
#
# The block has two skips, as with the other mixers. GFNet's own has one: backbone.skip=single.
backbone = dict(
    type='afno_mm.MiT',
    embed_dims=[128, 256, 440, 512],
    num_layers=[3, 4, 18, 3],
    num_heads=[1, 2, 5, 8],
    mixer=dict(type='GFN'),
)
