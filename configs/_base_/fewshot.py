# Few-shot segmentation of parts (5.2, A.4): the backbone of an inpainting model and one class
# score per token, fine-tuned on the 16 or 30 images of a set of DatasetGAN.
#
# The paper's: 224x224 pixels, cross-entropy, 2000 epochs, Adam with lr 1e-4 for SA and 1e-3 for
# the others, no clipping, no weight decay, validation every 100 epochs, the best value reported.
# Where it is silent: the head is linear, as that of inpainting, and its scores are resized
# bilinearly; batch 8; constant learning rate; no augmentation.
default_scope = 'mmseg'
pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(224, 224)),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(224, 224)),
    # After Resize: the ground truth keeps its size, 224x224 from data/convert_datasetgan.py.
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        data_prefix=dict(img_path='images/train', seg_map_path='labels/train'), pipeline=pipeline
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        data_prefix=dict(img_path='images/val', seg_map_path='labels/val'), pipeline=test_pipeline
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(224, 224),
    ),
    backbone=dict(
        type='afno_mm.ViT', img_size=224, patch_size=4, with_cls_token=False, out_type='featmap'
    ),
    decode_head=dict(
        type='FCNHead',
        in_index=0,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0.0,
        norm_cfg=None,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))
auto_scale_lr = dict(enable=False, base_batch_size=8)
train_cfg = dict(by_epoch=True, max_epochs=2000, val_interval=100)
val_cfg = dict()
test_cfg = dict()
env_cfg = dict(cudnn_benchmark=True)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=50),
    checkpoint=dict(type='CheckpointHook', interval=100, max_keep_ckpts=2, save_best='mIoU'),
    visualization=dict(type='SegVisualizationHook'),
)
custom_hooks = [dict(type='afno_mm.MeanLossHook'), dict(type='afno_mm.BestValueHook')]
visualizer = dict(
    type='afno_mm.PartsVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer'
)
