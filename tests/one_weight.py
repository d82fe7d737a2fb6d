"""A minimal training: one weight, four steps per epoch."""

import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner


class OneWeight(BaseModel):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, inputs, mode):
        return dict(loss=self.weight.sum()) if mode == 'loss' else [inputs]


def train(work_dir, epochs, schedule, hook, resume=False, **settings):
    """Train from learning rate 1 with one or several schedules and one hook."""
    loader = dict(
        dataset=[dict(inputs=torch.zeros(1))] * 4,
        batch_size=1,
        sampler=dict(type='DefaultSampler', shuffle=False),
    )
    Runner(
        model=OneWeight(),
        work_dir=str(work_dir),
        train_dataloader=loader,
        resume=resume,
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        param_scheduler=schedule,
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=1.0)),
        custom_hooks=[hook],
        experiment_name=f'{work_dir.name}{epochs}',
        **settings,
    ).train()
