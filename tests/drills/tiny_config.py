"""A training in a second: four epochs of five iterations, a validation after each."""

_loader = dict(
    batch_size=2,
    num_workers=0,
    dataset=dict(type='DrillDataset'),
    collate_fn=dict(type='default_collate'),
)
train_dataloader = dict(_loader, sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(_loader, sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = val_dataloader
val_evaluator = test_evaluator = dict(type='DrillMetric')
model = dict(type='DrillModel')
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=0.1), clip_grad=dict(max_norm=1.0))
param_scheduler = dict(type='PolyLR', power=1.0, by_epoch=True, end=8)
train_cfg = dict(by_epoch=True, max_epochs=4, val_interval=1)
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=3, save_best='score'),
    logger=dict(type='LoggerHook', interval=5),
)
default_hooks['checkpoint']['rule'] = 'greater'
custom_hooks = [dict(type='DrillRecorder')]
randomness = dict(seed=5)
visualizer = dict(type='Visualizer', vis_backends=None)
default_scope = 'mmengine'
