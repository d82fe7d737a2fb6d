# MiT-B1 with global filters (GFN). The paper does not give the widths. We chose them to match the
# parameters of stock SegFormer-B1, as A.3 did for B3.
backbone = dict(
    type='afno_mm.MiT',
    embed_dims=[136, 272, 400, 512],
    num_layers=[2, 2, 2, 2],
    num_heads=[1, 2, 5, 8],
    mixer=dict(type='GFN'),
)
