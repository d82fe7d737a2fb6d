# SegFormer-B3 with full self-attention (SA) on Cityscapes: Table 4, row SA.
#
#   tools/dist_train.sh configs/segformer_sa_b3_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: no number. The model did not fit into the memory of the paper's authors. Here it does,
# because the attention matrices are never stored, but it is slow: the mixers alone take 2.2 TFLOPs
# (multiply-accumulates) per image.
# Parameters: 38.01M. The paper does not give the widths of this model: these are those of ESA.
#
# Training starts from SegFormer's public ImageNet-1k weights, without their spatial reduction.
# These are conversions of NVIDIA's, whose licence allows non-commercial use only (docs/weights.md).
# model.backbone.init_cfg=None starts from random weights.
_base_ = [
    '_base_/models/mit_sa_b3.py',
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
