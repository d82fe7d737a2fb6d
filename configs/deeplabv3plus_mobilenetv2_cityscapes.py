# DeepLabV3+ with MobileNetV2 on Cityscapes: a convolutional model to compare with in Fig. 1.
#
#   tools/dist_train.sh configs/deeplabv3plus_mobilenetv2_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: 75.20 mIoU (MMSegmentation's model zoo, with crops of 512x1024; not measured by us).
# Parameters: 15.24M, of which 0.23M serve training alone (auxiliary head).
#
# The paper names the network and quotes its numbers from SegFormer's paper, which compares with
# such models of MMSegmentation. That the decoder is DeepLabV3+'s is our reading.
_base_ = [
    '_base_/models/mobilenet_v2.py',
    '_base_/models/deeplabv3plus.py',
    '_base_/datasets/cityscapes.py',
    '_base_/schedules/schedule_80k.py',
    '_base_/segmentation_runtime.py',
]
model = dict(
    backbone=_base_.pop('backbone'),
    decode_head=dict(in_channels=320, c1_in_channels=24),
    auxiliary_head=dict(in_channels=96),
)
