# The network of the study that compares mixers on a CPU: inpainting of example images.
#
#   python data/make_images.py data/images
#   python tools/sweep.py configs/sweeps/study.py --jobs 2    # all mixers and seeds
#   python tools/train.py configs/vit_afno_inpainting_study.py    # this one alone
#
# Expect: docs/evidence.md. Parameters: 0.31M.
#
# Masks and images are those of vit_afno_inpainting_demo.py: 1500 steps of 8 images, AdamW, cosine
# decay. One process loads and trains, because the sweep runs one training on each core.
_base_ = [
    '_base_/models/vit_afno_study.py',
    '_base_/models/inpainting.py',
    '_base_/datasets/imagenet_inpainting.py',
    '_base_/schedules/schedule_100e.py',
    '_base_/inpainting_runtime.py',
]
data_root = 'data/images/'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomCrop', crop_size=64),
    dict(type='RandomFlip', prob=0.5),
    dict(type='afno_mm.RandomWalkMask', num_steps=256, grid='token', patch_size=4),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='CenterCrop', crop_size=64),
    dict(type='afno_mm.RandomWalkMask', num_steps=256, grid='token', patch_size=4, seed=0),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=8, num_workers=0, dataset=dict(data_root=data_root, pipeline=train_pipeline)
)
val_dataloader = dict(num_workers=0, dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = [dict(type='afno_mm.PSNR'), dict(type='afno_mm.PSNR', composite=True)]
model = dict(backbone=_base_.pop('backbone'), head=dict(in_channels=88))
optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.02, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=10, val_interval=2)
default_hooks = dict(checkpoint=dict(interval=2, max_keep_ckpts=1, save_best=None))
randomness = dict(seed=0)
