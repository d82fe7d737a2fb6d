# SegFormer-B3 with its own efficient self-attention (ESA) on Cityscapes: Table 4, row Efficient SA.
#
#   tools/dist_train.sh configs/segformer_esa_b3_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: 79.7 mIoU (the paper's number, Table 4, with its own pre-training; not measured by us).
# Parameters: 47.24M.
#
# The decoder is 768 wide, as in SegFormer and in the paper; MMSegmentation's own config has 256.
#
# ESA computes MMSegmentation's attention without storing the attention matrices: it has the same
# parameters and checkpoint keys and gives the same values. model.backbone.mixer=None selects
# MMSegmentation's own module; the results are then those of upstream, bit for bit.
#
# Training starts from SegFormer's public ImageNet-1k weights. These are conversions of NVIDIA's,
# whose licence allows non-commercial use only (docs/weights.md). model.backbone.init_cfg=None
# starts from random weights.
_base_ = [
    '_base_/models/mit_esa_b3.py',
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
            'segformer/mit_b3_20220624-13b1141c.pth',
        ),
    ),
    decode_head=dict(in_channels=[64, 128, 320, 512], channels=768),
)
