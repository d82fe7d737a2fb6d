_base_ = 'default_runtime.py'
default_scope = 'mmpretrain'
default_hooks = dict(
    checkpoint=dict(type='CheckpointHook', interval=10, max_keep_ckpts=3, save_best='auto'),
    visualization=dict(type='afno_mm.PredictionPicturesHook', number=0),
)
custom_hooks = [dict(type='afno_mm.MeanLossHook'), dict(type='afno_mm.EndedScheduleHook')]
visualizer = dict(
    type='UniversalVisualizer',
    vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')],
)
