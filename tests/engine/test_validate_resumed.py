"""A resumed training runs the validation that was due when it was stopped."""

from types import SimpleNamespace

import pytest
import torch
from afno_mm.engine import ValidateResumedHook
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.model import BaseModel
from mmengine.runner import Runner


class OneWeight(BaseModel):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, inputs, mode):
        return dict(loss=-self.weight.sum()) if mode == 'loss' else [self.weight.item()]


class Validated(BaseMetric):
    """Record the weight, which is the number of steps, at every validation."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def process(self, data_batch, data_samples):
        self.results.append(data_samples[0])

    def compute_metrics(self, results):
        self.steps.append(results[0])
        return dict(weight=results[0])


def train(work_dir, name, by_epoch, end, dynamic=None, **settings):
    # MMEngine waits for seconds between epochs, so all iterations are one epoch.
    loader = dict(
        dataset=[dict(inputs=torch.zeros(1))] * (1 if by_epoch else end),
        batch_size=1,
        sampler=dict(type='DefaultSampler', shuffle=False),
    )
    steps = []
    Runner(
        model=OneWeight(),
        work_dir=str(work_dir),
        experiment_name=f'{work_dir.name}{name}',
        train_dataloader=loader,
        val_dataloader=loader,
        val_cfg=dict(),
        val_evaluator=Evaluator(Validated(steps)),
        train_cfg=dict(
            by_epoch=by_epoch,
            val_interval=2,
            val_begin=4,
            dynamic_intervals=dynamic,
            **{'max_epochs' if by_epoch else 'max_iters': end},
        ),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=1.0)),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=by_epoch, interval=1)),
        **settings,
    ).train()
    return steps


@pytest.mark.parametrize('by_epoch', [True, False], ids=['epochs', 'iterations'])
def test_resumed_training_first_runs_the_validation_that_was_due(tmp_path, by_epoch):
    assert train(tmp_path, 'whole', by_epoch, 5) == [4, 5]
    for checkpoint, steps in {2: [4, 5], 3: [4, 5], 4: [4, 5], 5: [5]}.items():
        path = tmp_path / f'{"epoch" if by_epoch else "iter"}_{checkpoint}.pth'
        assert (
            train(
                tmp_path,
                checkpoint,
                by_epoch,
                5,
                resume=True,
                load_from=str(path),
                custom_hooks=[dict(type='afno_mm.ValidateResumedHook')],
            )
            == steps
        )


def test_the_interval_is_that_of_the_time_of_the_checkpoint(tmp_path):
    dynamic = [(5, 1)]  # from then on after each iteration
    assert train(tmp_path, 'whole', False, 6, dynamic) == [4, 5, 6]
    hooks = [dict(type='afno_mm.ValidateResumedHook')]
    resume = dict(resume=True, load_from=str(tmp_path / 'iter_5.pth'), custom_hooks=hooks)
    assert train(tmp_path, 'resumed', False, 6, dynamic, **resume) == [5, 6]


@pytest.mark.parametrize('iteration, times', [(10, 1), (13, 0), (20, 0)])
def test_no_validation_in_the_middle_of_an_epoch(iteration, times):
    runs = []
    runner = SimpleNamespace(
        iter=iteration,
        epoch=1,
        max_epochs=4,
        val_begin=1,
        val_interval=1,
        train_loop=None,
        train_dataloader=range(10),
        val_loop=SimpleNamespace(run=lambda: runs.append(1)),
    )
    ValidateResumedHook().before_train(runner)
    assert len(runs) == times
