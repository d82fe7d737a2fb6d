# MiT-B0 with AFNO in its first two stages and efficient self-attention (ESA) in the others: Fourier
# early, attention late. We chose the widths to match the parameters of stock SegFormer-B0.
backbone = dict(
    type='afno_mm.MiT',
    embed_dims=[64, 128, 160, 240],
    num_layers=[2, 2, 2, 2],
    num_heads=[1, 2, 5, 8],
    mixer=[
        dict(type='AFNO', num_blocks=1, sparsity_threshold=0.01),
        dict(type='AFNO', num_blocks=2, sparsity_threshold=0.01),
        dict(type='ESA'),
        dict(type='ESA'),
    ],
)
