# ViT-XS/4 with AFNO. Width, layers, four blocks and lambda 0.01 are the paper's (A.6). It does not
# give the bias: we use the identity (Fig. 3), as a convolution would make 18.98M parameters.
backbone = dict(
    type='afno_mm.ViT',
    arch=dict(embed_dims=584, num_layers=5, num_heads=1, feedforward_channels=2336),
    patch_size=4,
    with_cls_token=False,
    out_type='featmap',
    mixer=dict(type='AFNO', num_blocks=4, sparsity_threshold=0.01),
)
