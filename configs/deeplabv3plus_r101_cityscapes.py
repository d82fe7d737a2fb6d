# DeepLabV3+ with ResNet-101 on Cityscapes: a convolutional model to compare with in Fig. 1.
#
#   tools/dist_train.sh configs/deeplabv3plus_r101_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: 80.97 mIoU (MMSegmentation's model zoo, with crops of 512x1024; not measured by us).
# Parameters: 62.58M, of which 2.36M serve training alone (auxiliary head).
#
# The paper names the network and quotes its numbers from SegFormer's paper, which compares with
# such models of MMSegmentation. That the decoder is DeepLabV3+'s is our reading.
_base_ = [
    '_base_/models/resnet101.py',
    '_base_/models/deeplabv3plus.py',
    '_base_/datasets/cityscapes.py',
    '_base_/schedules/schedule_80k.py',
    '_base_/segmentation_runtime.py',
]
model = dict(
    backbone=_base_.pop('backbone'),
    decode_head=dict(in_channels=2048, c1_in_channels=256),
    auxiliary_head=dict(in_channels=1024),
)
