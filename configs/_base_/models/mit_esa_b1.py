# MiT-B1 with efficient self-attention (ESA). Widths and depths are SegFormer's.
backbone = dict(
    type='afno_mm.MiT',
    embed_dims=[64, 128, 320, 512],
    num_layers=[2, 2, 2, 2],
    num_heads=[1, 2, 5, 8],
    mixer=dict(type='ESA'),
)
