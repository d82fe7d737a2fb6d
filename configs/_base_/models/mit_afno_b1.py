# MiT-B1 with AFNO. The paper does not give the widths. We chose them to match the parameters of
# stock SegFormer-B1, as A.3 did for B3.
backbone = dict(
    type='afno_mm.MiT',
    embed_dims=[192, 272, 400, 512],
    num_layers=[2, 2, 2, 2],
    num_heads=[1, 2, 5, 8],
    mixer=dict(type='AFNO', num_blocks=[1, 2, 5, 8], sparsity_threshold=0.01),
)
