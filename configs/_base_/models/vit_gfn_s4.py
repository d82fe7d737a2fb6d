# ViT-S/4 with global filters (GFN). The width is the paper's (A.5).
#
# The block has two skips, as with the other mixers. GFNet's own has one: backbone.skip=single.
backbone = dict(
    type='afno_mm.ViT',
    arch=dict(embed_dims=245, num_layers=12, num_heads=1, feedforward_channels=980),
    patch_size=4,
    with_cls_token=False,
    out_type='featmap',
    mixer=dict(type='GFN'),
)
