# MiT-B0 with efficient self-attention (ESA). Widths and depths are SegFormer's.
backbone = dict(
    type='afno_mm.MiT',
    embed_dims=[32, 64, 160, 256],
    num_layers=[2, 2, 2, 2],
    num_heads=[1, 2, 5, 8],
    mixer=dict(type='ESA'),
)
