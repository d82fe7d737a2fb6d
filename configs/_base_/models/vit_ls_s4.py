# ViT-S/4 with long-short attention (LS). Width, window and rank are the paper's (A.5). It does not
# give the heads: we use 12, as for SA.
backbone = dict(
    type='afno_mm.ViT',
    arch=dict(embed_dims=312, num_layers=12, num_heads=12, feedforward_channels=1248),
    patch_size=4,
    with_cls_token=False,
    out_type='featmap',
    mixer=dict(type='LS', window_size=4, num_landmarks=8),
)
