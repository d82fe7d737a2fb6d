# A warm start of segformer_afno_b0_scenes.py: its AFNO mixers learn what the attention of a trained
# SegFormer adds to the tokens, on images without labels. All other weights are the teacher's.
#
#   python data/make_scenes.py data/scenes
#   python tools/train.py configs/segformer_afno_b0_scenes.py --work-dir work_dirs/teacher \
#       --cfg-options model.backbone.mixer.type=ESA
#   python tools/train.py configs/segformer_afno_b0_warm_start_scenes.py
#   python tools/train.py configs/segformer_afno_b0_scenes.py --cfg-options \
#       load_from=work_dirs/segformer_afno_b0_warm_start_scenes/epoch_1.pth
#
# The second command makes the teacher, if you have none. The last one fine-tunes with labels.
#
# Expect: 35.7 mIoU with the weights of the third command, without labels, from a teacher of 36.7.
# The fit leaves 1.5 times the variance unexplained over its last 20 steps, and a new AFNO 48 (all
# measured by us; docs/warm_start.md has more).
_base_ = [
    '_base_/models/mit_afno_b0.py',
    '_base_/models/segformer.py',
    '_base_/datasets/unlabelled.py',
    '_base_/schedules/warm_start.py',
    '_base_/segmentation_runtime.py',
]
data_root = 'data/scenes/leftImg8bit/train'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResize', scale=(256, 128), ratio_range=(1.0, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(128, 256)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=2, num_workers=1, dataset=dict(data_root=data_root, pipeline=train_pipeline)
)
data_preprocessor = dict(size=(128, 256))
model = dict(
    type='afno_mm.WarmStartSegmentor',
    data_preprocessor=data_preprocessor,
    backbone=_base_.pop('backbone'),
    decode_head=dict(in_channels=[88, 136, 200, 256], channels=256),
    teacher=dict(
        mixer=dict(type='ESA'),
        init_cfg=dict(type='Pretrained', checkpoint='work_dirs/teacher/epoch_14.pth'),
    ),
    test_cfg=dict(_delete_=True, mode='whole'),
)
# No labels, no validation, no best checkpoint.
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=1, save_best=None))
randomness = dict(seed=0)
