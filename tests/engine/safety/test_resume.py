"""A stopped and resumed training has the bits of one that was never stopped."""

from itertools import islice
from types import SimpleNamespace

import mmpretrain.datasets  # noqa: F401  registers RepeatAugSampler
import pytest
import torch
from afno_mm.engine.safety import resume
from afno_mm.engine.safety import runner as safe_runner
from afno_mm.engine.safety.resume import (
    IterationSeedHook,
    ResumableEpochLoop,
    SeededDataset,
    SeededSampler,
    train_loop,
)
from afno_mm.engine.safety.switches import protect
from mmengine.config import Config
from mmengine.dataset import sampler
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop
from tiny import Model, runner


class StopAfter(Hook):
    """Ends the process's training in the middle, as a signal would."""

    priority = 'LOWEST'

    def __init__(self, iteration):
        self.iteration = iteration

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.iteration:
            runner.save_checkpoint(
                runner.work_dir, f'stopped_at_iter_{self.iteration}.pth', by_epoch=False
            )
            raise KeyboardInterrupt


def weights(model):
    return [t.clone() for t in model.state_dict().values()]


@pytest.mark.slow
@pytest.mark.parametrize('by_epoch', [True, False])
@pytest.mark.parametrize('workers', [(0, 0), (1, 2), (2, 0)])
@pytest.mark.parametrize('stop', [5, 7, 13])
def test_resumed_training_has_the_same_bits(tmp_path, workers, stop, by_epoch):
    whole = Model()
    runner(tmp_path / 'whole', whole, by_epoch=by_epoch, most=4 if by_epoch else 20).train()
    stopped, resumed = Model(), Model()
    most = 4 if by_epoch else 20
    with pytest.raises(KeyboardInterrupt):
        runner(tmp_path / 'b', stopped, workers[0], by_epoch, most, [StopAfter(stop)]).train()
    checkpoint = str(tmp_path / 'b' / f'stopped_at_iter_{stop}.pth')
    runner(
        tmp_path / 'b', resumed, workers[1], by_epoch, most, resume=True, load_from=checkpoint
    ).train()
    assert stopped.seen + resumed.seen == whole.seen
    for a, b in zip(weights(whole), weights(resumed), strict=True):
        assert torch.equal(a, b)


@pytest.mark.slow
def test_no_draw_repeats(tmp_path):
    model = Model()
    runner(tmp_path, model).train()
    draws = [value for batch in model.seen for value in batch]
    assert len(set(draws)) == len(draws) == 40


def test_a_hook_can_switch_the_pipeline():
    """As MMPretrain's SwitchRecipeHook does."""
    inner = SimpleNamespace(pipeline='old')
    SeededDataset(inner).pipeline = 'new'
    assert inner.pipeline == 'new'


def test_repeated_augmentation_draws_anew_for_each_copy():
    sampler = SeededSampler(range(9), dict(type='mmpretrain.RepeatAugSampler'), seed=0)
    seeds = [index.numbers for index in sampler]
    assert len(set(seeds)) == len(seeds) == 9


def test_each_pass_of_an_infinite_sampler_draws_anew_on_all_processes(monkeypatch):
    numbers = []
    for rank in range(2):
        for module in (resume, sampler):
            monkeypatch.setattr(module, 'get_dist_info', lambda rank=rank: (rank, 2))
        draws = SeededSampler(range(5), dict(type='InfiniteSampler', shuffle=True), seed=0)
        numbers += [index.numbers for index in islice(draws, 10)]
    assert sorted(numbers) == [(0, epoch, index) for epoch in range(4) for index in range(5)]


def test_each_process_draws_for_its_own_step(monkeypatch):
    training, drawn = SimpleNamespace(seed=1, iter=7), []
    for rank in (0, 1, 0):
        monkeypatch.setattr(resume, 'get_rank', lambda rank=rank: rank)
        IterationSeedHook().before_train_iter(training, 0)
        drawn.append(torch.rand(1).item())
    assert drawn[0] == drawn[2] != drawn[1]


def test_a_training_without_a_seed_of_its_own_resumes_with_that_of_the_checkpoint(tmp_path):
    first = runner(tmp_path, most=1, randomness=dict(seed=None))
    first.train()
    second = runner(tmp_path, most=2, randomness=dict(seed=None), resume=True)
    assert second.seed == second.train_dataloader.sampler.seed == first.seed


def test_a_checkpoint_of_longer_epochs_is_refused():
    loop = ResumableEpochLoop.__new__(ResumableEpochLoop)
    loop._iter, loop._epoch, loop.dataloader = 24, 3, torch.utils.data.DataLoader(range(4))
    loop._runner = SimpleNamespace(call_hook=lambda *_: None, model=torch.nn.Identity())
    with pytest.raises(ValueError, match='epoch 3 and iteration 24, and here an epoch has 4'):
        loop.run_epoch()


@pytest.mark.parametrize('lost', [['optimizer', 'param_schedulers'], ['meta', 'message_hub']])
def test_a_file_of_weights_alone_is_not_resumed_from(tmp_path, lost):
    """The optimiser and the schedule would start anew, without a word."""
    runner(tmp_path, most=1).train()
    whole = torch.load(tmp_path / 'epoch_1.pth')
    weights_alone = {key: value for key, value in whole.items() if key not in lost}
    path = str(tmp_path / 'best_loss_epoch_1.pth')
    torch.save(weights_alone, path)
    with pytest.raises(ValueError, match=f'lacks {lost[0]}(.|\\n)*load_from={path}'):
        runner(tmp_path, most=2, resume=True, load_from=path).train()


def test_the_samples_of_a_step_count_on_all_processes(tmp_path, monkeypatch):
    """An InfiniteSampler has the same length whatever the number of processes."""
    training = runner(tmp_path, by_epoch=False, most=1)  # batches of 2 of 10 samples
    monkeypatch.setattr(safe_runner, 'get_world_size', lambda: 2)
    with pytest.raises(ValueError, match='of 5 iterations per epoch on 1 processes'):
        training._check_epoch('x.pth', dict(iterations_per_epoch=5, world_size=1))
    training._check_epoch('x.pth', dict(iterations_per_epoch=5, world_size=2))
    training._check_epoch('x.pth', dict(iterations_per_epoch=10, world_size=4))  # batches of 1
    training._check_epoch('x.pth', dict(iterations_per_epoch=3, world_size=1))  # batches of 4


def test_processes_that_see_different_work_dirs_do_not_train(tmp_path, monkeypatch):
    runner(tmp_path, most=1).train()
    monkeypatch.setattr(safe_runner, 'all_gather_object', lambda own: [own, 0])
    with pytest.raises(ValueError, match=r'different iterations, \[5, 0\] by rank'):
        runner(tmp_path, most=2, resume=True).train()


@pytest.mark.slow
def test_a_finite_sampler_resumes_in_a_loop_over_iterations(tmp_path):
    def train(folder, model, *hooks, **settings):
        settings |= dict(by_epoch=False, most=12, sampler='DefaultSampler')
        runner(tmp_path / folder, model, hooks=hooks, **settings).train()

    whole, stopped, resumed = Model(), Model(), Model()
    train('whole', whole)
    with pytest.raises(KeyboardInterrupt):
        train('b', stopped, StopAfter(8))
    train('b', resumed, resume=True)  # without a path: the newest checkpoint
    assert stopped.seen + resumed.seen == whole.seen


def test_classes_of_mmengine_are_its_names_too():
    for kind in (EpochBasedTrainLoop, 'EpochBasedTrainLoop', 'mmengine.EpochBasedTrainLoop'):
        assert train_loop(dict(type=kind)) == dict(type='afno_mm.ResumableEpochLoop')
    assert train_loop(dict(type='theirs.EpochBasedTrainLoop'))['type'][:6] == 'theirs'
    cfg = Config(dict(safety=None, custom_hooks=[dict(type='RankWatchHook', timeout=7200)]))
    cfg.default_hooks = dict(checkpoint=dict(type='mmengine.CheckpointHook', interval=3))
    protect(cfg)
    assert cfg.default_hooks.checkpoint == dict(type='afno_mm.CheckpointHook', interval=3)
    assert [hook.type for hook in cfg.custom_hooks].count('afno_mm.RankWatchHook') == 0
