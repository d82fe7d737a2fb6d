# ViT-B/4 with AFNO. Width, layers, one block, lambda 0.1 and the convolutional bias are the paper's
# (A.2).
backbone = dict(
    type='afno_mm.ViT',
    arch=dict(embed_dims=750, num_layers=12, num_heads=1, feedforward_channels=3000),
    patch_size=4,
    with_cls_token=False,
    out_type='featmap',
    mixer=dict(type='AFNO', num_blocks=1, sparsity_threshold=0.1, bias='conv'),
)
