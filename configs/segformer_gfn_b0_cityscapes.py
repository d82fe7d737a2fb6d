# SegFormer-B0 with global filters (GFN) on Cityscapes: a point of Fig. 1.
#
#   tools/dist_train.sh configs/segformer_gfn_b0_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: the paper plots this model and gives no number; not measured by us.
# Parameters: 3.72M; stock SegFormer-B0 has 3.72M. The paper does not give the widths: they
# are ours, chosen to match that count as A.3 did for B3. All else as in
# segformer_gfn_b3_cityscapes.py.
_base_ = [
    '_base_/segformer.py',
    '_base_/cityscapes.py',
    '_base_/schedule_450e.py',
    '_base_/runtime.py',
]
model = dict(
    backbone=dict(embed_dims=[72, 128, 160, 256], num_layers=[2, 2, 2, 2], mixer=dict(type='GFN')),
    decode_head=dict(in_channels=[72, 128, 160, 256], channels=256),
)
