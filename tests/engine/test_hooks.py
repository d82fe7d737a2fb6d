"""Hooks in a Runner of four steps an epoch."""

import json

import pytest
import torch
from mmengine.evaluator import BaseMetric, Evaluator
from one_weight import train


def log_of(work_dir, epochs, schedule_epochs, resume):
    schedule = dict(type='PolyLR', end=schedule_epochs, by_epoch=True, convert_to_iter_based=True)
    train(work_dir, epochs, schedule, dict(type='afno_mm.EndedScheduleHook'), resume)
    return max(work_dir.glob('*/*.log'), key=lambda path: path.stat().st_mtime_ns).read_text()


@pytest.mark.parametrize('schedule_epochs, warned', [(1, True), (2, False)])
def test_resuming_past_the_end_of_the_schedule_is_reported(tmp_path, schedule_epochs, warned):
    message = 'The learning rate is 0 and stays 0 for the 4 iterations left'
    assert message not in log_of(tmp_path, 1, schedule_epochs, resume=False)
    assert (message in log_of(tmp_path, 2, 2, resume=True)) == warned


class Given(BaseMetric):
    """A metric that returns the next of the given values at each validation."""

    def __init__(self, values):
        super().__init__()
        self.values = list(values)

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return dict(mIoU=self.values.pop(0))


def best_of(work_dir, epochs, values, resume):
    train(
        work_dir,
        epochs,
        dict(type='ConstantLR', factor=1.0),
        dict(type='afno_mm.BestValueHook'),
        resume,
        val_cfg=dict(),
        val_evaluator=Evaluator(Given(values)),
        val_dataloader=dict(
            dataset=[dict(inputs=torch.zeros(1))],
            batch_size=1,
            sampler=dict(type='DefaultSampler', shuffle=False),
        ),
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', interval=1, save_best='mIoU', rule='greater')
        ),
    )
    log = max(work_dir.glob('*/*.log'), key=lambda path: path.stat().st_mtime_ns).read_text()
    best = json.loads((work_dir / 'best.json').read_text())
    assert f'best mIoU {best["value"]} at {best["when"]}' in log.splitlines()[-1]
    assert (work_dir / best['checkpoint']).is_file()
    return best['value'], best['when']


@pytest.mark.parametrize('save_best', [None, ['mIoU', 'aAcc']])
def test_best_value_needs_exactly_one_metric(tmp_path, save_best):
    with pytest.raises(ValueError, match=r'set default_hooks\.checkpoint\.save_best to'):
        train(
            tmp_path,
            1,
            dict(type='ConstantLR', factor=1.0),
            dict(type='afno_mm.BestValueHook'),
            default_hooks=dict(
                checkpoint=dict(type='CheckpointHook', save_best=save_best, rule='greater')
            ),
        )


@pytest.mark.parametrize(
    'before, after, best',
    [
        ([10.0, 30.0], [20.0, 25.0], (30.0, 'epoch 2')),  # the last one before the interruption
        ([30.0, 10.0], [20.0, 25.0], (30.0, 'epoch 1')),
        ([10.0, 30.0], [20.0, 35.0], (35.0, 'epoch 4')),
    ],
)
def test_best_value_counts_validations_before_and_after_a_resume(tmp_path, before, after, best):
    first = max(before), f'epoch {before.index(max(before)) + 1}'
    assert best_of(tmp_path, 2, before, resume=False) == first
    assert best_of(tmp_path, 4, after, resume=True) == best
