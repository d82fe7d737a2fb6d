# ViT-S/4 with AFNO on Cityscapes: the paper's classifier (A.5) as a segmentation model.
#
#   tools/dist_train.sh configs/vit_afno_s4_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: no number. The paper has no such model; not measured by us. Parameters: 17.66M.
#
# Width and mixer are those of A.5. The decoder is linear. Crops, schedule and evaluation are those
# of the SegFormer models. To start from the weights of the classifier:
#   --cfg-options model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=FILE
#
# To train from random weights, add model.backbone.mixer.init=scaled (docs/mixers/afno.md).
_base_ = [
    '_base_/models/vit_afno_s4.py',
    '_base_/models/vit_segmentor.py',
    '_base_/datasets/cityscapes.py',
    '_base_/schedules/schedule_450e.py',
    '_base_/segmentation_runtime.py',
]
model = dict(backbone=_base_.pop('backbone'), decode_head=dict(in_channels=384, channels=384))
