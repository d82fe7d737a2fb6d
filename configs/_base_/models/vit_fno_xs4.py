# ViT-XS/4 with FNO. Width and layers are the paper's (A.6). It does not give the modes: 28x14 of
# the 56x29 frequencies make the 16M parameters of Table 6.
backbone = dict(
    type='afno_mm.ViT',
    arch=dict(embed_dims=64, num_layers=5, num_heads=1, feedforward_channels=256),
    patch_size=4,
    with_cls_token=False,
    out_type='featmap',
    mixer=dict(type='FNO', num_modes=(14, 14)),
)
