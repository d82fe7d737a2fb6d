# SegFormer-B3 with AFNO and a smooth filter of frequencies on Cityscapes. Not in the paper.
#
#   tools/dist_train.sh configs/segformer_afno_filter_b3_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: no number. The filter is this project's idea; not measured by us at this size.
# Parameters: 50.07M; segformer_afno_b3_cityscapes has 50.06M.
#
# Stage 3 is 435 wide in place of AFNO's 440, which pays for the filters. All else is
# segformer_afno_b3_cityscapes.py. To start from weights of that model, give its widths
# [208,288,440,512] to model.backbone.embed_dims and model.decode_head.in_channels, and add
#   --cfg-options model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=FILE
_base_ = [
    '_base_/models/mit_afno_filter_b3.py',
    '_base_/models/segformer.py',
    '_base_/datasets/cityscapes.py',
    '_base_/schedules/schedule_450e.py',
    '_base_/segmentation_runtime.py',
]
model = dict(
    backbone=_base_.pop('backbone'),
    decode_head=dict(in_channels=[208, 288, 435, 512], channels=768),
)
