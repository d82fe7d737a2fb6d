# A small ViT with AFNO, few-shot segmentation of 16 example faces: the recipe of Tables 3 and 6 on
# a CPU.
#
#   python data/make_parts.py data/parts
#   python tools/train.py configs/vit_afno_faces_demo.py    # minutes on 2 CPU cores
#
# Expect: 21 mIoU. Predicting the most frequent class of each pixel gives 11.6 (both measured by us,
# the model from random weights).
# Parameters: 0.64M.
#
# Validation: 20 other images. The network sees the images at 64x64 pixels. Training can also start
# from the weights of vit_afno_inpainting_demo.py:
#   --cfg-options model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=FILE
# On these images that gains nothing (19 to 20 mIoU, docs/few_shot.md).
_base_ = [
    '_base_/models/vit_afno_demo.py',
    '_base_/models/few_shot.py',
    '_base_/datasets/parts.py',
    '_base_/schedules/schedule_2000e.py',
    '_base_/few_shot_runtime.py',
]
data_root = 'data/parts/faces'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(64, 64)),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(64, 64)),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    num_workers=1,
    dataset=dict(type='afno_mm.FacesDataset', data_root=data_root, pipeline=train_pipeline),
)
val_dataloader = dict(
    num_workers=1,
    dataset=dict(type='afno_mm.FacesDataset', data_root=data_root, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
data_preprocessor = dict(size=(64, 64))
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=_base_.pop('backbone'),
    decode_head=dict(in_channels=128, channels=128, num_classes=34),
)
train_cfg = dict(max_epochs=200, val_interval=50)
default_hooks = dict(checkpoint=dict(interval=50))
randomness = dict(seed=0)
