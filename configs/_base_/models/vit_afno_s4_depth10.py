# ViT-S/4 of 10 layers with AFNO. A.1 gives the layers and no widths; width and blocks are those of
# A.5. lambda is that of the ablations (5.5, A.6), because 0.1 lets almost nothing through at this
# width (docs/mixers/afno.md). The bias is the identity (Fig. 3).
backbone = dict(
    type='afno_mm.ViT',
    arch=dict(embed_dims=384, num_layers=10, num_heads=1, feedforward_channels=1536),
    patch_size=4,
    with_cls_token=False,
    out_type='featmap',
    mixer=dict(type='AFNO', num_blocks=16, sparsity_threshold=0.01),
)
