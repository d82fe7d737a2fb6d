# Swin-T with SegFormer's decoder on Cityscapes: a point of Fig. 1.
#
#   tools/dist_train.sh configs/swin_t_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: no number. The paper plots this model without one; not measured by us.
# Parameters: 31.01M.
#
# Stock Swin, from its public ImageNet-1k weights. The paper does not give the width of the decoder:
# 768 is that of SegFormer-B2 to B5. Stochastic depth is that of MMSegmentation's Swin configs. All
# else is the recipe of the SegFormer models (5.6).
_base_ = [
    '_base_/models/swin_t.py',
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
            'swin/swin_tiny_patch4_window7_224_20220317-1cdeb081.pth',
        ),
    ),
    decode_head=dict(in_channels=[96, 192, 384, 768], channels=768),
)
