# SegFormer-B0 with global filters (GFN) on Cityscapes: a point of Fig. 1.
#
#   tools/dist_train.sh configs/segformer_gfn_b0_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: no number. The paper plots this model without one; not measured by us.
# Parameters: 3.72M; stock SegFormer-B0 has 3.72M.
#
# The paper does not give the widths. We chose them to match the parameters of the stock model, as
# A.3 did for B3. All other settings are those of segformer_gfn_b3_cityscapes.py.
_base_ = [
    '_base_/models/mit_gfn_b0.py',
    '_base_/models/segformer.py',
    '_base_/datasets/cityscapes.py',
    '_base_/schedules/schedule_450e.py',
    '_base_/segmentation_runtime.py',
]
model = dict(
    backbone=_base_.pop('backbone'), decode_head=dict(in_channels=[72, 128, 160, 256], channels=256)
)
