# ViT-B/4 with global filters (GFN). Width and layers are the paper's (A.2).
#
# The block has two skips, as with the other mixers. GFNet's own has one: backbone.skip=single.
backbone = dict(
    type='afno_mm.ViT',
    arch=dict(embed_dims=768, num_layers=12, num_heads=12, feedforward_channels=3072),
    patch_size=4,
    with_cls_token=False,
    out_type='featmap',
    mixer=dict(type='GFN'),
)
