# A small ViT with AFNO, inpainting pre-training on example images, in minutes on 2 CPU cores.
#
#   python data/make_images.py data/images
#   python tools/train.py configs/vit_afno_inpainting_demo.py
# The same network without mixer:
#   python tools/train.py configs/vit_afno_inpainting_demo.py \
#       --work-dir work_dirs/vit_none_inpainting --cfg-options model.backbone.mixer.type=Identity
#
# `tools/quickstart.sh inpainting` does all this.
#
# Expect: 26.4 dB PSNR and 0.825 SSIM. The same network without mixer has 19.2 and 0.695 (one seed),
# the masked image filled with its mean colour 22.8 and 0.769, the mean colour of the training
# images 14.1 and 0.494 (all measured by us).
# Parameters: 0.64M.
#
# The recipe is that of the ImageNet configs, at 64x64 pixels. The walk has 256 steps, which is
# again the number of patches, and masks 32 % of them.
_base_ = [
    '_base_/models/vit_afno_demo.py',
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
    batch_size=8, num_workers=1, dataset=dict(data_root=data_root, pipeline=train_pipeline)
)
val_dataloader = dict(num_workers=1, dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
model = dict(backbone=_base_.pop('backbone'), head=dict(in_channels=128))
optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.02, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=10, val_interval=5)
default_hooks = dict(checkpoint=dict(interval=5))
randomness = dict(seed=0)
