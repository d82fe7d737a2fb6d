# SegFormer-B3 with AFNO on Cityscapes: Table 4, row AFNO-100 %.
#
#   tools/dist_train.sh configs/segformer_afno_b3_cityscapes.py 8    # 8 GPUs x 1 image
#   python tools/train.py configs/segformer_afno_b3_cityscapes.py --auto-scale-lr    # one GPU
#
# Expect: 80.9 mIoU with ImageNet pre-training (the paper's number; not measured by us). The paper
# does not give hardware and hours.
# Parameters: 50.06M (encoder 46.57M).
#
# From the paper (A.3): widths, blocks, depths, 450 epochs, learning rate 1.2e-4, 1024x1024 crops
# and evaluation, cross-entropy. Its GFLOPs imply a decoder 768 wide.
#
# Our choice where A.3 is silent: lambda 0.01, which is the best of 5.5 (A.2 and A.5 train other
# tasks with 0.1), and the identity as bias (Fig. 3), which fits its 45M parameters. All else is
# SegFormer's, see _base_/.
#
# The paper starts from ImageNet-1k weights that its authors did not publish. To start from yours:
#   --cfg-options model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=FILE
_base_ = [
    '_base_/models/mit_afno_b3.py',
    '_base_/models/segformer.py',
    '_base_/datasets/cityscapes.py',
    '_base_/schedules/schedule_450e.py',
    '_base_/segmentation_runtime.py',
]
model = dict(
    backbone=_base_.pop('backbone'),
    decode_head=dict(in_channels=[208, 288, 440, 512], channels=768),
)
