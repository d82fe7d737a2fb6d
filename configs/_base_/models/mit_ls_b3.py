# MiT-B3 with long-short attention (LS). Widths and heads are the paper's (A.3). Window 4 and rank 8
# are those of its other LS models; with them its GFLOPs agree.
backbone = dict(
    type='afno_mm.MiT',
    embed_dims=[128, 256, 360, 512],
    num_layers=[3, 4, 18, 3],
    num_heads=[1, 2, 5, 8],
    mixer=dict(type='LS', window_size=4, num_landmarks=8),
)
