# MiT-B3 with efficient self-attention (ESA). Widths and depths are SegFormer's.
backbone = dict(
    type='afno_mm.MiT',
    embed_dims=[64, 128, 320, 512],
    num_layers=[3, 4, 18, 3],
    num_heads=[1, 2, 5, 8],
    mixer=dict(type='ESA'),
)
