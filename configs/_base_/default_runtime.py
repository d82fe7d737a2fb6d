# What all tasks share. The runtime of a task adds its checkpoints and its visualisation.
env_cfg = dict(cudnn_benchmark=True)
log_level = 'INFO'  # MMPretrain's vis_tsne.py reads it
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    memory=dict(type='afno_mm.MemoryHook'),
    pictures=dict(type='afno_mm.PredictionPicturesHook'),
)
# Without a seed MMEngine draws one for each training. With the same seed, models that are compared
# see the same images in the same order, with the same augmentation. Set another to repeat one.
randomness = dict(seed=0)
