_base_ = 'default_runtime.py'
default_scope = 'mmseg'
tta_model = dict(type='SegTTAModel')
default_hooks = dict(
    checkpoint=dict(type='CheckpointHook', interval=10, max_keep_ckpts=3, save_best='mIoU'),
    visualization=dict(type='SegVisualizationHook'),
)
custom_hooks = [dict(type='afno_mm.MeanLossHook'), dict(type='afno_mm.EndedScheduleHook')]
visualizer = dict(
    type='SegLocalVisualizer',
    vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')],
    name='visualizer',
)
