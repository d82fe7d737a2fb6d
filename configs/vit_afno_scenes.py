# A small ViT with AFNO on example street scenes: a demo of what the mixer does, on a CPU.
#
#   python data/make_scenes.py data/scenes
#   python tools/train.py configs/vit_afno_scenes.py
#   python tools/train.py configs/vit_afno_scenes.py --work-dir work_dirs/vit_none_scenes \
#       --cfg-options model.backbone.mixer.type=Identity    # the same network without mixer
#
# Expect: 24 to 25 mIoU with AFNO and about 21 without mixer. These are single trainings of a
# prototype of this config, which has not been verified with it yet. Predicting the most frequent
# class of each pixel gives 11.6 (measured by us). Parameters: 2.15M.
#
# Only the mixer connects the patches of 8x8 pixels: the decoder is linear, and the feed-forward of
# a ViT has no convolution, other than that of SegFormer. Data, schedule and seed are those of
# segformer_afno_b0_scenes.py. It trains for minutes on one CPU core.
_base_ = [
    '_base_/models/vit_afno_scenes.py',
    '_base_/models/vit_segmentor.py',
    '_base_/datasets/cityscapes.py',
    '_base_/segmentation_runtime.py',
]
data_root = 'data/scenes/'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(256, 128), ratio_range=(1.0, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(128, 256), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(256, 128), keep_ratio=True),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale_factor=r, keep_ratio=True) for r in (0.375, 0.5, 0.75)],
            [dict(type='RandomFlip', prob=p, direction='horizontal') for p in (0.0, 1.0)],
            [dict(type='LoadAnnotations')],
            [dict(type='PackSegInputs')],
        ],
    ),
]
train_dataloader = dict(
    batch_size=2, num_workers=1, dataset=dict(data_root=data_root, pipeline=train_pipeline)
)
val_dataloader = dict(num_workers=1, dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
data_preprocessor = dict(size=(128, 256))
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(_base_.pop('backbone'), drop_path_rate=0.0),
    decode_head=dict(in_channels=192, channels=192),
    test_cfg=dict(_delete_=True, mode='whole'),
)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01),
    paramwise_cfg=dict(custom_keys={'norm': dict(decay_mult=0.0)}),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=120),
    dict(type='PolyLR', power=1.0, eta_min=0.0, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(by_epoch=True, max_epochs=14, val_interval=7)
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=7))
randomness = dict(seed=0)
