# SegFormer-B1 with AFNO on Cityscapes: a point of Fig. 1.
#
#   tools/dist_train.sh configs/segformer_afno_b1_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: the paper plots this model and gives no number; not measured by us.
# Parameters: 13.73M; stock SegFormer-B1 has 13.68M. The paper does not give the widths: they
# are ours, chosen to match that count as A.3 did for B3. All else as in
# segformer_afno_b3_cityscapes.py, whose header says what is whose.
_base_ = [
    '_base_/segformer.py',
    '_base_/cityscapes.py',
    '_base_/schedule_450e.py',
    '_base_/runtime.py',
]
model = dict(
    backbone=dict(
        embed_dims=[192, 272, 400, 512],
        num_layers=[2, 2, 2, 2],
        mixer=dict(type='AFNO', num_blocks=[1, 2, 5, 8], sparsity_threshold=0.01),
    ),
    decode_head=dict(in_channels=[192, 272, 400, 512], channels=256),
)
