"""A sweep of tiny trainings: each epoch adds ``gain`` to the only weight."""

from afno_mm.sweep import load_sweep
from running import REPOSITORY

MODULE = """
import os
import time

import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel, BaseModule
from mmengine.registry import METRICS, MODELS


@MODELS.register_module()
class OneWeight(BaseModule):

    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.weight = torch.nn.Parameter(torch.zeros(1))


@MODELS.register_module()
class Climber(BaseModel):

    def __init__(self, backbone, gain, hold=''):
        super().__init__()
        self.backbone, self.gain, self.hold = MODELS.build(backbone), gain, hold

    def forward(self, inputs, mode):
        height = self.backbone.weight
        if mode == 'loss':
            if self.gain > 50:
                raise ValueError('too steep')
            return dict(loss=-self.gain * height.sum())
        if height > self.gain:
            while os.path.exists(self.hold):
                time.sleep(0.02)
        return [height.item()]


@METRICS.register_module()
class Height(BaseMetric):

    def __init__(self, name, sign):
        super().__init__()
        self.name, self.sign = name, sign

    def process(self, data_batch, data_samples):
        self.results.append(data_samples[0] * self.sign)

    def compute_metrics(self, results):
        return {self.name: results[0]}
"""
CONFIG = """
data_root = '{{{{$DATA_ROOT:nowhere}}}}'
default_scope = 'mmengine'
custom_imports = dict(imports=['climber'])
model = dict(type='Climber', gain=1., backbone=dict(type='OneWeight'{init_cfg}))
train_dataloader = val_dataloader = dict(
    batch_size=1, num_workers=0, dataset=[dict(inputs=[0])],
    sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = dict(type='Height', name='{metric}', sign={sign})
train_cfg = dict(by_epoch=True, max_epochs=3, val_interval=1)
val_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='SGD', lr=1.))
default_hooks = dict(
    checkpoint=dict(type='CheckpointHook', interval=1, save_best='{metric}', rule='greater'))
"""
SWEEP = """
label = 'gain'
points = {str(gain): {'model.gain': gain} for gain in (2, 100)}
stages = [dict(config='climb.py', metric='PSNR', collect='best'),
          dict(config='climb_on.py', metric='mIoU')]
"""
TUNE = "tune = dict(key='optim_wrapper.optimizer.lr', values=[1.0, 2.0], seed=9)\n"
TRAINER = REPOSITORY / 'tools/train.py'


def load(folder, work='runs', sweep=SWEEP, trainer=TRAINER, **arguments):
    path = folder / 'gains.py'
    path.write_text(sweep)
    arguments.setdefault('cfg_options', {'model.hold': str(folder / 'hold')})
    return load_sweep(str(path), trainer, work and folder / work, **arguments)
