# A small ViT with AFNO for street scenes of 128x256 pixels: 16x32 tokens. It has no convolution but
# that of its patches, so tokens meet in the mixer alone.
backbone = dict(
    type='afno_mm.ViT',
    img_size=(128, 256),
    arch=dict(embed_dims=192, num_layers=6, num_heads=6, feedforward_channels=768),
    patch_size=8,
    with_cls_token=False,
    out_type='featmap',
    mixer=dict(type='AFNO', num_blocks=4, sparsity_threshold=0.01),
)
