# MiT-B3 with AFNO on ImageNet: pre-training for Table 4.
#
#   tools/dist_train.sh configs/mit_afno_b3_imagenet.py 8    # 8 GPUs x 128 images
#   tools/dist_train.sh configs/segformer_afno_b3_cityscapes.py 8 --cfg-options \
#       model.backbone.init_cfg.type=Pretrained \
#       model.backbone.init_cfg.checkpoint=work_dirs/mit_afno_b3_imagenet/epoch_300.pth
#
# Expect: no number. The paper gives no accuracy for its pre-training; not measured by us.
# Parameters: 47.08M.
#
# The schedule is the paper's (A.3). Stochastic depth is SegFormer's. The segmentation config uses
# the same backbone. The weights also serve segformer_afno25_b3_cityscapes.py, which drops modes
# only when it fine-tunes.
_base_ = [
    '_base_/models/mit_afno_b3.py',
    '_base_/models/classifier.py',
    '_base_/datasets/imagenet.py',
    '_base_/schedules/schedule_300e.py',
    '_base_/classification_runtime.py',
]
model = dict(backbone=dict(_base_.pop('backbone'), out_indices=(3,)), head=dict(in_channels=512))
