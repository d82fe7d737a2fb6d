"""Checkpoints are whole or absent, checked before use, and loaded without executing anything."""

import itertools
import os
import random
import shutil

import numpy as np
import pytest
import torch
from afno_mm.engine.safety import CheckpointHook, check_work_dir, newest_checkpoint
from afno_mm.engine.safety.checkpoint_files import TEMPORARY, AtomicLocalBackend, install
from afno_mm.hub import from_pretrained
from afno_mm.weight_files import CheckpointError, damage, load_from_file
from mmengine.config import Config
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader, load_from_local
from tiny import Model, runner
from torch import nn


@pytest.fixture(scope='module')
def work_dir(tmp_path_factory):
    """A finished training of four epochs that keeps three."""
    folder = tmp_path_factory.mktemp('training')
    runner(folder).train()
    return folder


@pytest.fixture
def copy(work_dir, tmp_path):
    for path in work_dir.glob('*.pth'):
        (tmp_path / path.name).write_bytes(path.read_bytes())
        os.utime(tmp_path / path.name, ns=(0, int(path.stem[-1]) * 10**9))
    (tmp_path / 'last_checkpoint').write_text('/moved/epoch_4.pth')
    return tmp_path


def test_three_are_kept_and_a_plain_torch_load_reads_them(work_dir):
    names = sorted(path.name for path in work_dir.glob('*.pth'))
    assert names == ['epoch_2.pth', 'epoch_3.pth', 'epoch_4.pth']
    with torch.serialization.safe_globals([]):
        state = torch.load(work_dir / 'epoch_4.pth', weights_only=True)
    assert set(state) >= {'state_dict', 'optimizer', 'param_schedulers', 'meta', 'message_hub'}
    history = load_from_file(work_dir / 'epoch_4.pth')['message_hub']['log_scalars']
    assert isinstance(history['train/loss'], HistoryBuffer)
    assert len(history['train/loss'].data[0]) == 20


def test_the_newest_whole_one_is_found_whatever_the_pointer_says(copy):
    assert newest_checkpoint(copy).name == 'epoch_4.pth'
    for name in ('epoch_4.pth', 'epoch_3.pth'):
        data = (copy / name).read_bytes()
        (copy / name).write_bytes(data[: len(data) // 2])
        os.utime(copy / name, ns=(0, int(name[6]) * 10**9))
    assert newest_checkpoint(copy).name == 'epoch_2.pth'
    (copy / 'epoch_2.pth').write_bytes(b'')
    with pytest.raises(CheckpointError, match='none of the 3 checkpoints'):
        newest_checkpoint(copy)
    assert newest_checkpoint(copy / 'nowhere') is None


def test_a_flipped_bit_is_found_or_does_no_harm(copy):
    path = copy / 'epoch_4.pth'
    data = bytearray(path.read_bytes())
    whole = load_from_file(path)['state_dict']
    generator = random.Random(0)
    found = 0
    # The end is the table of contents, of which PyTorch refuses more than Python's zipfile.
    positions = [generator.randrange(len(data)) for _ in range(60)]
    positions += range(len(data) - 120, len(data))
    for position in positions:
        bit = 1 << generator.randrange(8)
        data[position] ^= bit
        path.write_bytes(data)
        data[position] ^= bit
        if damage(path):
            found += 1
            continue  # newest_checkpoint() passes it over
        loaded = load_from_file(path)['state_dict']
        assert all(torch.equal(loaded[name], whole[name]) for name in whole)
    assert found > 60


class Evil:
    def __reduce__(self):
        return os.mkdir, ('executed',)


class EvilGetattr:
    def __reduce__(self):
        return getattr, (np.ndarray, 'tofile')


@pytest.mark.parametrize('evil', [Evil(), EvilGetattr(), np.array([Evil()], object)])
@pytest.mark.parametrize('place', ['state_dict', 'meta', 'optimizer'])
@pytest.mark.parametrize('legacy', [False, True])
def test_nothing_in_a_checkpoint_is_executed(tmp_path, monkeypatch, evil, place, legacy):
    monkeypatch.chdir(tmp_path)
    state = dict(state_dict=Model().state_dict(), meta=dict(epoch=1, iter=5), optimizer={})
    state[place]['evil'] = evil
    torch.save(state, 'epoch_1.pth', _use_new_zipfile_serialization=not legacy)
    install()
    for load in (load_from_file, CheckpointLoader.load_checkpoint):
        with pytest.raises(CheckpointError, match='holds more than tensors'):
            load('epoch_1.pth')
    assert not os.path.exists('executed')


def test_a_config_in_a_checkpoint_is_not_executed(copy, monkeypatch):
    monkeypatch.chdir(copy)
    state = torch.load('epoch_4.pth', weights_only=True)
    state['meta']['config'] = 'import os; os.mkdir("executed")\nx = 1'
    torch.save(state, 'epoch_4.pth')
    runner(copy, resume=True, load_from='epoch_4.pth', most=5).train()
    assert not os.path.exists('executed')


def test_old_checkpoints_of_mmengine_load(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    history = HistoryBuffer([0.5, 0.25], [1, 1])
    hub = dict(log_scalars={'train/loss': history}, runtime_info=dict(best=np.float32(3)))
    torch.save(dict(state_dict=Model().state_dict(), meta={}, message_hub=hub), path)
    loaded = load_from_file(path)['message_hub']
    assert loaded['log_scalars']['train/loss'].current() == 0.25
    assert loaded['runtime_info']['best'] == 3


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    backend, path = AtomicLocalBackend(), tmp_path / 'epoch_1.pth'
    backend.put(b'old', path)

    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match=r'No space left.*--resume'):
        backend.put(b'new', path)
    assert path.read_bytes() == b'old' and os.listdir(tmp_path) == ['epoch_1.pth']


class KillAtRemoval(Hook):
    """Notes which checkpoints were there when one was removed."""

    def __init__(self, removed):
        self.removed = removed

    def before_train(self, runner):
        hook = next(h for h in runner.hooks if type(h).__name__ == 'CheckpointHook')
        backend = hook.file_backend._backend
        remove = backend.remove

        def noted(path):
            there = {p.name for p in runner_folder(path).glob('*.pth') if damage(p) is None}
            self.removed.append((os.path.basename(path), there))
            remove(path)

        backend.remove = noted


def runner_folder(path):
    from pathlib import Path

    return Path(path).parent


def test_a_checkpoint_is_removed_after_its_successor_is_whole(tmp_path):
    removed = []
    hook = KillAtRemoval(removed)
    hook.priority = 'LOWEST'
    runner(tmp_path, hooks=[hook]).train()
    assert [name for name, _ in removed] == ['epoch_1.pth']
    assert removed[0][1] == {'epoch_1.pth', 'epoch_2.pth', 'epoch_3.pth', 'epoch_4.pth'}


def test_a_validation_without_a_training_saves_no_checkpoint():
    hook = CheckpointHook(save_best='score', rule='greater')
    hook.after_val_epoch(None, dict(score=1.0))  # MMEngine's hook fails here
    assert hook.best_ckpt_path is None


class TwoValidations(CheckpointHook):
    """Validates twice in an epoch, as a loop over iterations may do."""

    def after_train_epoch(self, runner):
        for score in (1.0, 2.0):
            self.after_val_epoch(runner, dict(score=score))


def test_a_better_checkpoint_of_the_same_epoch_replaces_the_best(tmp_path):
    hook = TwoValidations(save_best='score', rule='greater')
    training = runner(tmp_path, most=1, hooks=[hook])
    training.train()
    (best,) = tmp_path.glob('best_*.pth')
    assert damage(best) is None and str(best) == hook.best_ckpt_path
    assert training.message_hub.get_info('best_score') == 2


class Better(BaseMetric):
    """Two scores that are better after each validation."""

    numbers = itertools.count()

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        number = next(self.numbers)
        return dict(score=number, other=number)


@pytest.mark.parametrize('kept', [['score'], ['score', 'other']])
def test_the_best_checkpoint_of_a_work_dir_that_has_moved_is_replaced(kept, tmp_path):
    def train(folder, **settings):
        loader = dict(dataset=[dict(inputs=torch.ones(4))] * 2, batch_size=2)
        loader['collate_fn'] = dict(type='default_collate')
        loader['sampler'] = dict(type='DefaultSampler', shuffle=False)
        settings |= dict(val_dataloader=loader, val_cfg={}, val_evaluator=Evaluator(Better()))
        hook = CheckpointHook(interval=1, save_best=kept, rule='greater')
        runner(folder, hooks=[hook], **settings).train()

    here, moved = tmp_path / 'a', tmp_path / 'b'
    train(here, most=1)
    shutil.copytree(here, moved)
    before = {path: path.read_bytes() for path in here.glob('*.pth')}
    train(moved, most=2, resume=True, load_from=str(moved / 'epoch_1.pth'))
    best = {path.name for path in moved.glob('best_*.pth')}
    assert best == {f'best_{name}_epoch_2.pth' for name in kept}
    assert before == {path: path.read_bytes() for path in here.glob('*.pth')}


def test_temporary_files_of_a_killed_process_are_removed(tmp_path):
    (tmp_path / f'.epoch_1.pth.abc{TEMPORARY}').write_bytes(b'half')
    runner(tmp_path, most=1).train()
    assert [p.name for p in tmp_path.iterdir() if TEMPORARY in p.name] == []


def test_tools_without_a_runner_load_checkpoints_safely_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(dict(state_dict=dict(evil=Evil())), 'epoch_1.pth')
    registered = dict(CheckpointLoader._schemes)
    try:
        CheckpointLoader.register_scheme('', load_from_local, force=True)
        with pytest.raises(CheckpointError, match='holds more than tensors'):
            from_pretrained(Config(dict(model=dict(type=Model))), weights='epoch_1.pth')
    finally:
        CheckpointLoader._schemes = registered
    assert not os.path.exists('executed')


def test_resume_finds_checkpoints_of_any_name_and_folder(tmp_path):
    work, out = tmp_path / 'work', tmp_path / 'out'
    work.mkdir()
    out.mkdir()
    torch.save({}, work / 'model_0003.pth')
    (work / 'last_checkpoint').write_text(str(work / 'model_0003.pth'))
    assert newest_checkpoint(work).name == 'model_0003.pth'
    with pytest.raises(FileExistsError, match='model_0003'):
        check_work_dir(work)
    torch.save({}, work / 'stopped_at_iter_5.pth')
    torch.save({}, out / 'epoch_9.pth')
    os.utime(out / 'epoch_9.pth', (2e9, 2e9))
    (work / 'last_checkpoint').write_text(str(out / 'epoch_9.pth'))
    assert newest_checkpoint(work).name == 'epoch_9.pth'


def test_a_copy_with_other_times_has_the_same_newest_checkpoint(copy):
    for number, name in enumerate(('epoch_4', 'epoch_2', 'epoch_3'), 1):
        os.utime(copy / f'{name}.pth', ns=(0, number * 10**9))
    assert newest_checkpoint(copy).name == 'epoch_4.pth'


def test_a_copy_of_a_work_dir_does_not_resume_from_the_original(copy, work_dir):
    (copy / 'epoch_4.pth').unlink()
    (copy / 'last_checkpoint').write_text(str(work_dir / 'epoch_3.pth'))
    assert newest_checkpoint(copy) == copy / 'epoch_3.pth'


def test_a_checkpoint_of_another_model_is_explained_in_a_few_lines(work_dir, tmp_path):
    model = Model()
    model.layers.append(nn.Linear(1, 1))
    path = str(work_dir / 'epoch_4.pth')
    with pytest.raises(CheckpointError, match=r'another model than that of the config[^$]*missing'):
        runner(tmp_path, model, resume=True, load_from=path).train()
