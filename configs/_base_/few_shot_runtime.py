_base_ = 'default_runtime.py'
default_scope = 'mmseg'
default_hooks = dict(
    checkpoint=dict(type='CheckpointHook', interval=100, max_keep_ckpts=2, save_best='mIoU'),
    visualization=dict(type='SegVisualizationHook'),
)
custom_hooks = [dict(type='afno_mm.MeanLossHook'), dict(type='afno_mm.BestValueHook')]
visualizer = dict(
    type='afno_mm.PartsVisualizer',
    vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')],
    name='visualizer',
)
