# ViT-S/4 with self-attention (SA). Width and heads are the paper's (A.5).
backbone = dict(
    type='afno_mm.ViT',
    arch=dict(embed_dims=324, num_layers=12, num_heads=12, feedforward_channels=1296),
    patch_size=4,
    with_cls_token=False,
    out_type='featmap',
    mixer=dict(type='SA'),
)
