# DeepLabV3+ with ResNet-101 on Cityscapes: a convolutional comparator of Fig. 1.
#
#   tools/dist_train.sh configs/deeplabv3plus_r101_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: 80.97 mIoU (MMSegmentation's model zoo, with crops of 512x1024; not measured by us). The
# paper names the network and quotes its numbers from SegFormer's, which compares with such
# models of MMSegmentation; that it is DeepLabV3+'s is our reading.
# Parameters: 62.58M, of which 2.36M for training alone (auxiliary head).
_base_ = [
    '_base_/deeplabv3plus.py',
    '_base_/cityscapes.py',
    '_base_/schedule_80k.py',
    '_base_/runtime.py',
]
model = dict(
    backbone=dict(
        type='ResNetV1c',
        depth=101,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        dilations=(1, 1, 2, 4),
        strides=(1, 2, 1, 1),
        norm_eval=False,
        style='pytorch',
        contract_dilation=True,
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://resnet101_v1c'),
    ),
    decode_head=dict(in_channels=2048, c1_in_channels=256),
    auxiliary_head=dict(in_channels=1024),
)
