# MiT-B2 with global filters (GFN). The paper does not give the widths. We chose them to match the
# parameters of stock SegFormer-B2, as A.3 did for B3.
backbone = dict(
    type='afno_mm.MiT',
    embed_dims=[120, 240, 440, 512],
    num_layers=[3, 4, 6, 3],
    num_heads=[1, 2, 5, 8],
    mixer=dict(type='GFN'),
)
