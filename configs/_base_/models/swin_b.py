# Swin-B for segmentation, with the stochastic depth of MMSegmentation's Swin configs.
backbone = dict(
    type='afno_mm.SegSwin',
    embed_dims=128,
    depths=[2, 2, 18, 2],
    num_heads=[4, 8, 16, 32],
    drop_path_rate=0.3,
)
