# SegFormer-B3 with long-short attention (LS) on Cityscapes: Table 4, row LS.
#
#   tools/dist_train.sh configs/segformer_ls_b3_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: 80.5 mIoU with ImageNet pre-training (the paper's number; not measured by us).
# Parameters: 48.24M.
#
# From the paper (A.3): widths and heads. It does not give window and rank: 4 and 8 are those of its
# other LS models, and with them its GFLOPs agree. All other settings are those of
# segformer_afno_b3_cityscapes.py; its header names their sources.
_base_ = [
    '_base_/models/mit_ls_b3.py',
    '_base_/models/segformer.py',
    '_base_/datasets/cityscapes.py',
    '_base_/schedules/schedule_450e.py',
    '_base_/segmentation_runtime.py',
]
model = dict(
    backbone=_base_.pop('backbone'),
    decode_head=dict(in_channels=[128, 256, 360, 512], channels=768),
)
