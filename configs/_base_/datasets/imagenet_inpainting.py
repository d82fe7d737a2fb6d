# ImageNet-1k, or data in its layout, with random-walk masks for inpainting at 224x224 pixels (5.1,
# A.2). A walk of 3136 steps sets what it visits to zero. PSNR and SSIM score the reconstruction.
#
# The paper leaves these points open, and this is our choice:
# - The walk masks whole 4x4 patches: there are 3136 of them, and the walk masks 25 %. A walk over
#   pixels (grid='pixel' in both pipelines) masks only 1.9 %. One colour in all the holes then gives
#   30 dB, more than the paper's models reach (docs/inpainting.md).
# - A step that would leave the image is not taken; boundary='reflect' and 'wrap' are the others.
# - The scores are those of the reconstruction as predicted. Scores that end in _composite take the
#   known pixels from the original image.
# - Random resized crops and flips in training, a centre crop and fixed masks in validation. Batches
#   of 256 images.
data_root = '{{$IMAGENET_DATASET:data/imagenet/}}'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=224, backend='pillow', interpolation='bicubic'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='afno_mm.RandomWalkMask', num_steps=3136, grid='token', patch_size=4),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=256, edge='short', backend='pillow', interpolation='bicubic'),
    dict(type='CenterCrop', crop_size=224),
    # A fixed seed: every model and every evaluation sees the same masks.
    dict(type='afno_mm.RandomWalkMask', num_steps=3136, grid='token', patch_size=4, seed=0),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=32,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='afno_mm.ImageNet', data_root=data_root, data_prefix='train', pipeline=train_pipeline
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='afno_mm.ImageNet', data_root=data_root, data_prefix='val', pipeline=test_pipeline
    ),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='afno_mm.PSNR'), dict(type='afno_mm.SSIM')]
test_evaluator = val_evaluator + [
    dict(type='afno_mm.PSNR', composite=True),
    dict(type='afno_mm.SSIM', composite=True),
]
