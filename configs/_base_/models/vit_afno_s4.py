# ViT-S/4 with AFNO. Width, blocks, lambda 0.1 and the convolutional bias are the paper's (A.5).
backbone = dict(
    type='afno_mm.ViT',
    arch=dict(embed_dims=384, num_layers=12, num_heads=12, feedforward_channels=1536),
    patch_size=4,
    with_cls_token=False,
    out_type='featmap',
    mixer=dict(type='AFNO', num_blocks=16, sparsity_threshold=0.1, bias='conv'),
)
