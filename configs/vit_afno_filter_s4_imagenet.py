# ViT-S/4 with AFNO and a smooth filter of frequencies on ImageNet. Not in the paper.
#
#   tools/dist_train.sh configs/vit_afno_filter_s4_imagenet.py 8    # 8 GPUs x 128 images
#
# Expect: no number. The filter is this project's idea; not measured by us.
# Parameters: 18.05M; vit_afno_s4_imagenet has 18.04M.
#
# The feed-forward is 1504 wide in place of AFNO's 1536, which pays for the filters. All else is
# vit_afno_s4_imagenet.py. To start from weights of that model, widen it again:
#   --cfg-options model.backbone.arch.feedforward_channels=1536 \
#       model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=FILE
_base_ = [
    '_base_/models/vit_afno_filter_s4.py',
    '_base_/models/classifier.py',
    '_base_/datasets/imagenet.py',
    '_base_/schedules/schedule_300e.py',
    '_base_/classification_runtime.py',
]
model = dict(backbone=_base_.pop('backbone'), head=dict(in_channels=384))
