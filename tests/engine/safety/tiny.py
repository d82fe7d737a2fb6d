"""A training in a second, with everything random that a real one has."""

import itertools
import random

import numpy as np
import torch
from afno_mm.engine.safety import SafeRunner
from mmengine.model import BaseModel
from torch import nn
from torch.utils.data import Dataset

NUMBERS = itertools.count()


class Noisy(Dataset):
    """Samples whose transforms draw from all three generators."""

    metainfo = dict(classes=('a', 'b'))

    def __len__(self):
        return 10

    def __getitem__(self, index):
        noise = random.random() + np.random.rand() + torch.rand(1).item()
        return dict(inputs=torch.full((4,), index / 10 + noise), data_samples=index)


class Model(BaseModel):
    """Linear layers with dropout and batch norm."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.layers = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1)
        )
        self.seen = []

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'loss':
            self.seen.append([round(v, 9) for v in inputs[:, 0].tolist()])
            return dict(loss=self.layers(inputs).square().mean())
        return self.layers(inputs)


def runner(
    work_dir, model=None, workers=0, by_epoch=True, most=4, hooks=(), sampler=None, **settings
):
    """A runner of two samples a batch, five iterations an epoch."""
    name = f'{work_dir.name}{next(NUMBERS)}'
    unit = 'epochs' if by_epoch else 'iters'
    kind = 'DefaultSampler' if by_epoch else 'InfiniteSampler'
    return SafeRunner(
        model=model or Model(),
        work_dir=str(work_dir),
        train_dataloader=dict(
            dataset=dict(type=Noisy),
            batch_size=2,
            num_workers=workers,
            sampler=dict(type=sampler or kind, shuffle=True),
            collate_fn=dict(type='default_collate'),
        ),
        train_cfg=dict(by_epoch=by_epoch, **{f'max_{unit}': most}),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.1), clip_grad=dict(max_norm=1.0)),
        param_scheduler=dict(
            type='PolyLR', power=1.0, by_epoch=by_epoch, end=8 if by_epoch else 40
        ),
        default_hooks=dict(
            checkpoint=dict(
                type='afno_mm.CheckpointHook', interval=1, by_epoch=by_epoch, max_keep_ckpts=3
            ),
            logger=dict(type='LoggerHook', interval=1),
        ),
        custom_hooks=[dict(type='afno_mm.IterationSeedHook'), *hooks],
        visualizer=dict(type='Visualizer', name=name, vis_backends=None),
        experiment_name=name,
        **dict(randomness=dict(seed=5)) | settings,
    )
