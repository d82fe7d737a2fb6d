# Swin-S for segmentation, with the stochastic depth of MMSegmentation's Swin configs.
backbone = dict(
    type='afno_mm.SegSwin',
    embed_dims=96,
    depths=[2, 2, 18, 2],
    num_heads=[3, 6, 12, 24],
    drop_path_rate=0.3,
)
