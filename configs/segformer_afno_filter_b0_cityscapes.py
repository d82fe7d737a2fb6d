# SegFormer-B0 with AFNO and a smooth filter of frequencies on Cityscapes. Not in the paper.
#
#   tools/dist_train.sh configs/segformer_afno_filter_b0_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: no number. The filter is this project's idea; not measured by us at this size.
# Parameters: 3.72M; segformer_afno_b0_cityscapes has 3.72M.
#
# Stage 4 is 248 wide in place of AFNO's 256, which pays for the filters. All else is
# segformer_afno_b0_cityscapes.py. To start from weights of that model, give its widths
# [88,136,200,256] to model.backbone.embed_dims and model.decode_head.in_channels, and add
#   --cfg-options model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=FILE
_base_ = [
    '_base_/models/mit_afno_filter_b0.py',
    '_base_/models/segformer.py',
    '_base_/datasets/cityscapes.py',
    '_base_/schedules/schedule_450e.py',
    '_base_/segmentation_runtime.py',
]
model = dict(
    backbone=_base_.pop('backbone'), decode_head=dict(in_channels=[88, 136, 200, 248], channels=256)
)
