# SegFormer-B3 with long-short attention (LS) on Cityscapes: Table 4, row LS.
#
#   tools/dist_train.sh configs/segformer_ls_b3_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: 80.5 mIoU with ImageNet pre-training (the paper's number; not measured by us).
# Parameters: 48.24M.
#
# The paper's (A.3): widths and heads. Window 4 and rank 8 are those of its other LS models;
# with them its GFLOPs agree. All else as in segformer_afno_b3_cityscapes.py, whose header
# says what is whose.
_base_ = [
    '_base_/segformer.py',
    '_base_/cityscapes.py',
    '_base_/schedule_450e.py',
    '_base_/runtime.py',
]
model = dict(
    backbone=dict(
        embed_dims=[128, 256, 360, 512],
        num_layers=[3, 4, 18, 3],
        mixer=dict(type='LS', window_size=4, num_landmarks=8),
    ),
    decode_head=dict(in_channels=[128, 256, 360, 512], channels=768),
)
