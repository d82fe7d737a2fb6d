# SegFormer-B3 with AFNO on a quarter of the modes, on Cityscapes: Table 4, row AFNO-25 %.
#
#   tools/dist_train.sh configs/segformer_afno25_b3_cityscapes.py 8 --cfg-options \
#       model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=FILE
#
# Expect: 80.4 mIoU (the paper's number; not measured by us). Parameters: 50.06M.
#
# The paper drops modes only when it fine-tunes (A.3, 5.3). FILE holds an AFNO model with all modes,
# whose parameters are the same: the checkpoint of mit_afno_b3_imagenet.py or of
# segformer_afno_b3_cityscapes.py. '25 %' means half of the frequencies on each axis. All other
# settings are those of segformer_afno_b3_cityscapes.py; its header names their sources.
_base_ = [
    '_base_/models/mit_afno25_b3.py',
    '_base_/models/segformer.py',
    '_base_/datasets/cityscapes.py',
    '_base_/schedules/schedule_450e.py',
    '_base_/segmentation_runtime.py',
]
model = dict(
    backbone=_base_.pop('backbone'),
    decode_head=dict(in_channels=[208, 288, 440, 512], channels=768),
)
