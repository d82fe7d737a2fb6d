# MiT-B3 with AFNO and a smooth filter of frequencies on ImageNet. Not in the paper.
#
#   tools/dist_train.sh configs/mit_afno_filter_b3_imagenet.py 8    # 8 GPUs x 128 images
#   tools/dist_train.sh configs/segformer_afno_filter_b3_cityscapes.py 8 --cfg-options \
#       model.backbone.init_cfg.type=Pretrained \
#       model.backbone.init_cfg.checkpoint=work_dirs/mit_afno_filter_b3_imagenet/epoch_300.pth
#
# Expect: no number. The filter is this project's idea; not measured by us.
# Parameters: 47.09M; mit_afno_b3_imagenet has 47.08M.
#
# The segmentation config uses the same backbone, and its header says what pays for the filters.
# Schedule and stochastic depth are those of mit_afno_b3_imagenet.py.
_base_ = [
    '_base_/models/mit_afno_filter_b3.py',
    '_base_/models/classifier.py',
    '_base_/datasets/imagenet.py',
    '_base_/schedules/schedule_300e.py',
    '_base_/classification_runtime.py',
]
model = dict(backbone=dict(_base_.pop('backbone'), out_indices=(3,)), head=dict(in_channels=512))
