# The ViT with AFNO of the study, for images of 64x64 pixels. It is smaller than that of
# vit_afno_demo.py, so that a CPU can train many of them.
backbone = dict(
    type='afno_mm.ViT',
    img_size=64,
    arch=dict(embed_dims=88, num_layers=4, num_heads=4, feedforward_channels=352),
    patch_size=4,
    with_cls_token=False,
    out_type='featmap',
    mixer=dict(type='AFNO', num_blocks=4, sparsity_threshold=0.01),
)
