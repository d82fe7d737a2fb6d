# Inpainting pre-training (5.1, A.2) on ImageNet, or data of its layout, at 224x224 pixels.
#
# The paper's: a random walk of 3136 steps sets pixels to zero; linear head; mean squared error;
# 100 epochs of Adam, cosine to 1e-5, clipping at 1, weight decay 0.01; PSNR and SSIM of the
# reconstruction. Where it contradicts itself or is silent, ours is:
# - The walk masks whole 4x4 patches: 3136 is their number, and 25 % of them get masked. A walk on
#   the pixels (grid='pixel' in both pipelines) masks 1.9 % of them, where one colour in all
#   the holes has 30 dB, more than the paper's models (docs/inpainting.md).
# - At the border a step out of the image is not taken: boundary='reflect' or 'wrap'.
# - The loss is that of the whole image (5.1), in line with scoring the whole reconstruction,
#   and not of the masked pixels (A.2): model.head.loss_on=masked. Scores are of the
#   reconstruction as predicted; those ending in _composite take the known pixels from the truth.
# - Adam's weight decay is decoupled (AdamW): added to the gradient, as in torch's Adam, it is
#   stronger than the loss (same page). Batch 256, random resized crops and flips; a
#   centre crop for validation, masked the same way each time; learned position embedding.
default_scope = 'mmpretrain'
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
    # The same masks for every model and at every evaluation.
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
model = dict(
    type='afno_mm.InpaintingModel',
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
    ),
    backbone=dict(
        type='afno_mm.ViT', img_size=224, patch_size=4, with_cls_token=False, out_type='featmap'
    ),
    head=dict(type='afno_mm.InpaintingHead', patch_size=4, loss_on='image'),
)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = dict(  # to 1e-5, and in proportion where the rate is scaled
    type='CosineAnnealingLR', eta_min_ratio=0.01, by_epoch=True, convert_to_iter_based=True
)
auto_scale_lr = dict(enable=False, base_batch_size=256)
train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=10)
val_cfg = dict()
test_cfg = dict()
env_cfg = dict(cudnn_benchmark=True)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=50),
    checkpoint=dict(
        type='CheckpointHook', interval=10, max_keep_ckpts=3, save_best='PSNR', rule='greater'
    ),
    visualization=dict(type='afno_mm.InpaintingVisualizationHook'),
)
custom_hooks = [dict(type='afno_mm.MeanLossHook'), dict(type='afno_mm.EndedScheduleHook')]
visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])
