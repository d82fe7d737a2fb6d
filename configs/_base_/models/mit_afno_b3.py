# MiT-B3 with AFNO. Widths, blocks and depths are the paper's (A.3). A.3 does not give lambda (0.01)
# and the bias (identity): the header of segformer_afno_b3_cityscapes.py gives our reasons.
backbone = dict(
    type='afno_mm.MiT',
    embed_dims=[208, 288, 440, 512],
    num_layers=[3, 4, 18, 3],
    num_heads=[1, 2, 5, 8],
    mixer=dict(type='AFNO', num_blocks=[1, 2, 5, 8], sparsity_threshold=0.01),
)
