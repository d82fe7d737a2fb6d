# What all tasks share. The runtime of a task adds its checkpoints and its visualisation.
env_cfg = dict(cudnn_benchmark=True)
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
)
