# ViT-S/4 with global filters (GFN) on Cityscapes: the paper's classifier (A.5) as a segmentation
# model.
#
#   tools/dist_train.sh configs/vit_gfn_s4_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: no number. The paper has no such model; not measured by us. Parameters: 16.12M.
#
# The width is that of A.5. The decoder is linear. Crops, schedule and evaluation are those of the
# SegFormer models. To start from the weights of the classifier:
#   --cfg-options model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=FILE
_base_ = [
    '_base_/models/vit_gfn_s4.py',
    '_base_/models/vit_segmentor.py',
    '_base_/datasets/cityscapes.py',
    '_base_/schedules/schedule_450e.py',
    '_base_/segmentation_runtime.py',
]
model = dict(backbone=_base_.pop('backbone'), decode_head=dict(in_channels=245, channels=245))
