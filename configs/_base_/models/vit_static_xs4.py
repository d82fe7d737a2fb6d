# ViT-XS/4 with static AFNO weights. Width, layers, four blocks and lambda 0.01 are the paper's
# (A.6). We read 'static' as one block-diagonal matrix per frequency in place of an MLP that all
# share. 28x14 of the 56x29 frequencies make the 16M parameters of Table 6.
backbone = dict(
    type='afno_mm.ViT',
    arch=dict(embed_dims=124, num_layers=5, num_heads=1, feedforward_channels=496),
    patch_size=4,
    with_cls_token=False,
    out_type='featmap',
    mixer=dict(type='StaticAFNO', num_blocks=4, num_modes=(14, 14), sparsity_threshold=0.01),
)
