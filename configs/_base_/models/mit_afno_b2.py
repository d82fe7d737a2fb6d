# MiT-B2 with AFNO. The paper does not give the widths. We chose them to match the parameters of
# stock SegFormer-B2, as A.3 did for B3.
backbone = dict(
    type='afno_mm.MiT',
    embed_dims=[184, 272, 420, 512],
    num_layers=[3, 4, 6, 3],
    num_heads=[1, 2, 5, 8],
    mixer=dict(type='AFNO', num_blocks=[1, 2, 5, 8], sparsity_threshold=0.01),
)
