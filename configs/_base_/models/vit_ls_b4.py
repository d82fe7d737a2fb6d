# ViT-B/4 with long-short attention (LS). Width, layers, window and rank are the paper's (A.2). The
# paper does not give the heads: 12 is ViT-B's own number.
backbone = dict(
    type='afno_mm.ViT',
    arch=dict(embed_dims=768, num_layers=12, num_heads=12, feedforward_channels=3072),
    patch_size=4,
    with_cls_token=False,
    out_type='featmap',
    mixer=dict(type='LS', window_size=4, num_landmarks=8),
)
