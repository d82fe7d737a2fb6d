# ViT-S/4 with AFNO and a smooth filter of frequencies on Cityscapes. Not in the paper.
#
#   tools/dist_train.sh configs/vit_afno_filter_s4_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: no number. The filter is this project's idea; not measured by us.
# Parameters: 17.68M; vit_afno_s4_cityscapes has 17.66M.
#
# The backbone is that of vit_afno_filter_s4_imagenet.py, whose header says what pays for the
# filters. All else is vit_afno_s4_cityscapes.py. To start from the weights of the classifier:
#   --cfg-options model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=FILE
#
# To train from random weights, add model.backbone.mixer.init=scaled (docs/mixers/afno.md).
_base_ = [
    '_base_/models/vit_afno_filter_s4.py',
    '_base_/models/vit_segmentor.py',
    '_base_/datasets/cityscapes.py',
    '_base_/schedules/schedule_450e.py',
    '_base_/segmentation_runtime.py',
]
model = dict(backbone=_base_.pop('backbone'), decode_head=dict(in_channels=384, channels=384))
