# DeepLabV3+ with MobileNetV2 on Cityscapes: a convolutional comparator of Fig. 1.
#
#   tools/dist_train.sh configs/deeplabv3plus_mobilenetv2_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: 75.20 mIoU (MMSegmentation's model zoo, with crops of 512x1024; not measured by us). The
# paper names the network and quotes its numbers from SegFormer's, which compares with such
# models of MMSegmentation; that it is DeepLabV3+'s is our reading.
# Parameters: 15.24M, of which 0.23M for training alone (auxiliary head).
_base_ = [
    '_base_/deeplabv3plus.py',
    '_base_/cityscapes.py',
    '_base_/schedule_80k.py',
    '_base_/runtime.py',
]
model = dict(
    backbone=dict(
        type='MobileNetV2',
        widen_factor=1.0,
        strides=(1, 2, 2, 1, 1, 1, 1),
        dilations=(1, 1, 1, 2, 2, 4, 4),
        out_indices=(1, 2, 4, 6),
        init_cfg=dict(type='Pretrained', checkpoint='mmcls://mobilenet_v2'),
    ),
    decode_head=dict(in_channels=320, c1_in_channels=24),
    auxiliary_head=dict(in_channels=96),
)
