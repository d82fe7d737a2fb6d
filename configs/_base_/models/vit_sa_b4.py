# ViT-B/4 with self-attention (SA). Width, layers and '16 attention heads' are the paper's (A.2);
# ViT-B's own number of heads is 12.
backbone = dict(
    type='afno_mm.ViT',
    arch=dict(embed_dims=768, num_layers=12, num_heads=16, feedforward_channels=3072),
    patch_size=4,
    with_cls_token=False,
    out_type='featmap',
    mixer=dict(type='SA'),
)
