# SegFormer-B3 with global filters (GFN) on Cityscapes: Table 4, row GFN.
#
#   tools/dist_train.sh configs/segformer_gfn_b3_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: 80.4 mIoU with ImageNet pre-training (the paper's number; not measured by us).
# Parameters: 47.93M.
#
# From the paper (A.3): the widths, and filters that are made for 224 pixels and resized to the grid
# of the tokens in forward, bilinearly. mixer.resize='exact' pads the kernels of the filters
# instead. All other settings are those of segformer_afno_b3_cityscapes.py; its header names their
# sources.
_base_ = [
    '_base_/models/mit_gfn_b3.py',
    '_base_/models/segformer.py',
    '_base_/datasets/cityscapes.py',
    '_base_/schedules/schedule_450e.py',
    '_base_/segmentation_runtime.py',
]
model = dict(
    backbone=_base_.pop('backbone'),
    decode_head=dict(in_channels=[128, 256, 440, 512], channels=768),
)
