# MiT-B0 with global filters (GFN). The paper does not give the widths. We chose them to match the
# parameters of stock SegFormer-B0, as A.3 did for B3.
#
# The block has two skips, as with the other mixers. GFNet's own has one: backbone.skip=single.
backbone = dict(
    type='afno_mm.MiT',
    embed_dims=[72, 128, 160, 256],
    num_layers=[2, 2, 2, 2],
    num_heads=[1, 2, 5, 8],
    mixer=dict(type='GFN'),
)
