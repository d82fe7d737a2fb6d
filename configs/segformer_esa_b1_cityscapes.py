# SegFormer-B1 with its own efficient self-attention (ESA) on Cityscapes: a point of Fig. 1.
#
#   tools/dist_train.sh configs/segformer_esa_b1_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: no number. The paper plots this model without one; not measured by us.
# Parameters: 13.68M.
#
# ESA computes MMSegmentation's attention without storing the attention matrices: it has the same
# parameters and checkpoint keys and gives the same values. model.backbone.mixer=None selects
# MMSegmentation's own module; the results are then those of upstream, bit for bit.
#
# Training starts from SegFormer's public ImageNet-1k weights. These are conversions of NVIDIA's,
# whose licence allows non-commercial use only (docs/weights.md). model.backbone.init_cfg=None
# starts from random weights.
_base_ = [
    '_base_/models/mit_esa_b1.py',
    '_base_/models/segformer.py',
    '_base_/datasets/cityscapes.py',
    '_base_/schedules/schedule_450e.py',
    '_base_/segmentation_runtime.py',
]
model = dict(
    backbone=dict(
        _base_.pop('backbone'),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://mmassets.onedl.ai/mmsegmentation/v0.5/pretrain/'
            'segformer/mit_b1_20220624-02e5a6a1.pth',
        ),
    ),
    decode_head=dict(in_channels=[64, 128, 320, 512], channels=256),
)
