# SegFormer-B1 with AFNO on Cityscapes: a point of Fig. 1.
#
#   tools/dist_train.sh configs/segformer_afno_b1_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: no number. The paper plots this model without one; not measured by us.
# Parameters: 13.73M; stock SegFormer-B1 has 13.68M.
#
# The paper does not give the widths. We chose them to match the parameters of the stock model, as
# A.3 did for B3. All other settings are those of segformer_afno_b3_cityscapes.py; its header names
# their sources.
_base_ = [
    '_base_/models/mit_afno_b1.py',
    '_base_/models/segformer.py',
    '_base_/datasets/cityscapes.py',
    '_base_/schedules/schedule_450e.py',
    '_base_/segmentation_runtime.py',
]
model = dict(
    backbone=_base_.pop('backbone'),
    decode_head=dict(in_channels=[192, 272, 400, 512], channels=256),
)
