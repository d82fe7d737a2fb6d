"""A signal saves after the current step and leaves; a work dir has one training at a time."""

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import mmpretrain.engine  # noqa: F401  registers its EMAHook
import pytest
import torch
from afno_mm.engine.safety import StopSignalHook, check_work_dir, newest_checkpoint, only_one, stop
from afno_mm.engine.safety.stop import EXIT_CODE
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import EMAHook, Hook
from mmengine.registry import HOOKS
from tiny import Model, runner

REPOSITORY = Path(__file__).parents[3]
HOOK = dict(type='afno_mm.StopSignalHook')


class SignalAt(Hook):
    def __init__(self, iteration, number):
        self.iteration, self.number = iteration, number

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == self.iteration:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGINT', 'SIGUSR1'])
@pytest.mark.parametrize('step, by_epoch', [(7, True), (10, True), (7, False)])
def test_a_signal_saves_and_the_resumed_training_has_the_same_bits(tmp_path, name, step, by_epoch):
    whole, stopped, resumed = Model(), Model(), Model()
    length = dict(by_epoch=by_epoch, most=4 if by_epoch else 20)
    runner(tmp_path / 'whole', whole, **length).train()
    before = signal.getsignal(signal.Signals[name])
    with pytest.raises(SystemExit) as left:
        hooks = [HOOK, SignalAt(step, signal.Signals[name])]
        runner(tmp_path / 'b', stopped, hooks=hooks, **length).train()
    assert left.value.code == EXIT_CODE and len(stopped.seen) == step
    assert signal.getsignal(signal.Signals[name]) == before
    newest = newest_checkpoint(tmp_path / 'b')
    assert newest.name == f'stopped_at_iter_{step}.pth'
    resume = dict(resume=True, load_from=str(newest))
    runner(tmp_path / 'b', resumed, hooks=[HOOK], **resume, **length).train()
    assert stopped.seen + resumed.seen == whole.seen
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_signal_waits_for_the_optimiser_step_of_accumulated_gradients(tmp_path):
    training = runner(tmp_path, hooks=[HOOK, SignalAt(6, signal.SIGTERM)])
    training.optim_wrapper = dict(training.optim_wrapper, accumulative_counts=4)
    with pytest.raises(SystemExit):
        training.train()
    assert newest_checkpoint(tmp_path).name == 'stopped_at_iter_8.pth'


@pytest.mark.parametrize('variable', ['RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK'])
def test_only_the_first_process_of_a_launcher_takes_the_lock(variable, tmp_path, monkeypatch):
    monkeypatch.setenv(variable, '1')
    with only_one(tmp_path):
        assert not (tmp_path / '.lock').exists()
    monkeypatch.setenv(variable, '0')
    with only_one(tmp_path):
        assert (tmp_path / '.lock').exists()


class InValidation(Hook):
    """Send a signal in a validation, after the EMAHook has exchanged the weights."""

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == 10 and batch_idx == 0:
            os.kill(os.getpid(), signal.SIGTERM)


class Nothing(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return dict(count=len(results))


@pytest.mark.parametrize('kind', ['EMAHook', 'mmpretrain.EMAHook'])
def test_a_signal_in_a_validation_keeps_weights_and_their_average_apart(tmp_path, kind):
    def train(folder, *hooks, **settings):
        data = [dict(inputs=torch.ones(4))] * 4
        loader = dict(dataset=data, batch_size=2, collate_fn=dict(type='default_collate'))
        loader['sampler'] = dict(type='DefaultSampler', shuffle=False)
        settings |= dict(val_dataloader=loader, val_cfg=dict(), val_evaluator=Evaluator(Nothing()))
        average = dict(type=kind, momentum=0.1)
        model = Model()
        training = runner(folder, model, hooks=[HOOK, average, *hooks], **settings)
        training.train()
        (hook,) = (hook for hook in training.hooks if isinstance(hook, EMAHook))
        return [*model.state_dict().values(), *hook.ema_model.state_dict().values()]

    whole = train(tmp_path / 'whole')
    with pytest.raises(SystemExit):
        train(tmp_path / 'b', InValidation())
    newest = newest_checkpoint(tmp_path / 'b')
    assert newest.name == 'stopped_at_iter_10.pth'
    resumed = train(tmp_path / 'b', resume=True, load_from=str(newest))
    for one, other in zip(whole, resumed, strict=True):
        assert torch.equal(one, other)


def test_a_signal_that_comes_again_later_ends_the_training_at_once(monkeypatch):
    hook, seen = StopSignalHook(['SIGUSR1']), []
    times = iter([10.0, 12.0, 14.0])
    monkeypatch.setattr(stop, 'time', SimpleNamespace(monotonic=lambda: next(times)))
    former = signal.signal(signal.SIGUSR1, hook._receive)
    hook.before = {signal.SIGUSR1: lambda *_: seen.append('as without the hook')}
    try:
        for count in (0, 0, 1):  # the second one is the launcher's copy of the first
            signal.raise_signal(signal.SIGUSR1)
            assert len(seen) == count
    finally:
        signal.signal(signal.SIGUSR1, former)


def test_the_checkpoint_of_a_signal_is_removed_after_a_later_one(tmp_path):
    names = lambda: sorted(path.name for path in tmp_path.glob('*.pth'))  # noqa: E731
    for step in (2, 7):  # an epoch has 5 steps
        newest = newest_checkpoint(tmp_path)
        resume = dict(resume=True, load_from=str(newest)) if newest else {}
        with pytest.raises(SystemExit):
            hooks = [HOOK, SignalAt(step, signal.SIGTERM)]
            runner(tmp_path, Model(), hooks=hooks, **resume).train()
        assert names()[-1] == f'stopped_at_iter_{step}.pth'
        assert len([name for name in names() if name.startswith('stopped')]) == 1
    newest = str(newest_checkpoint(tmp_path))
    kept = ['stopped_at_iter_2_good.pth', 'stopped_at_iter_90.pth']  # a copy, and a later one
    for name in kept:
        (tmp_path / name).touch()
    runner(tmp_path, Model(), hooks=[HOOK], resume=True, load_from=newest).train()
    assert names()[-2:] == kept and not names()[-3].startswith('stopped')


@pytest.mark.slow
def test_a_second_training_in_a_work_dir_is_refused_until_the_first_ends(tmp_path):
    code = (
        'import sys; from afno_mm.engine.safety import only_one\n'
        f'with only_one({str(tmp_path)!r}): print("held", flush=True); sys.stdin.read()'
    )
    with subprocess.Popen(
        [sys.executable, '-c', code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        while other.stdout.readline() != 'held\n':
            pass
        with pytest.raises(BlockingIOError, match=f'process {other.pid} on'):
            with only_one(tmp_path):
                pass
        other.kill()
        other.wait()
    with only_one(tmp_path):
        pass


def test_the_lock_names_the_process_that_holds_it_and_no_earlier_one(tmp_path):
    for _ in range(2):
        with only_one(tmp_path):
            assert (tmp_path / '.lock').read_text() == f'{os.getpid()} on {os.uname().nodename}'


@pytest.mark.slow
def test_data_loading_workers_do_not_keep_the_lock_of_a_killed_training(tmp_path):
    with only_one(tmp_path):
        worker = os.fork()
        if not worker:
            time.sleep(1000)
    code = f'from afno_mm.engine.safety import only_one\nwith only_one({str(tmp_path)!r}): pass'
    try:
        subprocess.run([sys.executable, '-c', code], check=True)
    finally:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)


def test_a_file_system_without_locks_does_not_end_the_training(tmp_path, monkeypatch):
    """As Lustre without its option flock."""

    def lockf(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(stop.fcntl, 'lockf', lockf)
    said = []
    monkeypatch.setattr(stop, 'print_log', lambda text, *_: said.append(text))
    with only_one(tmp_path):
        assert len(said) == 1 and 'has no lock: ' in said[0]


CONFIG = """
_base_ = ['{drills}/tiny_config.py']
custom_imports = dict(imports=['tiny_parts', 'test_stop'])
train_cfg = dict(max_epochs=1)
custom_hooks = [dict(type='InResumed')]
"""


@HOOKS.register_module()
class InResumed(Hook):
    """Send a signal in the validation with which a training resumes."""

    def before_train(self, runner):
        self.resumed = runner.iter > 0

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        if self.resumed:
            os.kill(os.getpid(), signal.SIGUSR1)


@pytest.mark.slow
def test_a_signal_in_the_validation_of_a_resumed_training_saves_too(tmp_path):
    drills = Path(__file__).parents[2] / 'drills'
    (tmp_path / 'config.py').write_text(CONFIG.format(drills=drills))
    path = os.pathsep.join(map(str, (REPOSITORY, drills, Path(__file__).parent)))
    command = [
        sys.executable,
        'tools/train.py',
        tmp_path / 'config.py',
        '--work-dir',
        tmp_path / 'work',
    ]
    for more, code in ([], 0), (['--resume'], EXIT_CODE):
        env = dict(os.environ, PYTHONPATH=f'{path}:{REPOSITORY}/tests')
        left = subprocess.run([*command, *more], cwd=REPOSITORY, env=env, timeout=100)
        assert left.returncode == code


def test_a_used_work_dir_is_refused(tmp_path):
    check_work_dir(tmp_path)
    (tmp_path / 'best_mIoU_epoch_3.pth').touch()
    check_work_dir(tmp_path)
    (tmp_path / 'epoch_3.pth').touch()
    with pytest.raises(FileExistsError, match=r'epoch_3\.pth.*--resume.*--work-dir'):
        check_work_dir(tmp_path)


UNEVEN = """
import datetime, os
from types import SimpleNamespace
from torch import distributed
from afno_mm.engine.safety import StopSignalHook

distributed.init_process_group('gloo', timeout=datetime.timedelta(seconds=20))
hook, batches = StopSignalHook(), 3 - distributed.get_rank()
loops = dict(train_loop=None, val_loop=None)
runner = SimpleNamespace(iter=1, val_dataloader=range(batches), optim_wrapper=None, **loops)
hook.before_train(runner)
hook.before_val_epoch(runner)
for index in range(batches):
    hook._after_iter(runner, index, mode='val')
distributed.all_gather_object([0, 0], 1)  # as the evaluator does
os._exit(0)
"""


@pytest.mark.slow
def test_a_process_with_one_more_validation_batch_waits_for_nobody():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    env = dict(os.environ, WORLD_SIZE='2', MASTER_ADDR='127.0.0.1', MASTER_PORT=port)
    both = [
        subprocess.Popen([sys.executable, '-c', UNEVEN], env=dict(env, RANK=rank)) for rank in '01'
    ]
    assert [child.wait(120) for child in both] == [0, 0]


def test_workers_of_all_loaders_block_signals_and_set_up_as_the_config_says(tmp_path):
    def set_up(worker):
        (tmp_path / str(worker)).write_text(str(signal.pthread_sigmask(signal.SIG_BLOCK, [])))

    loops = [SimpleNamespace(dataloader=SimpleNamespace(worker_init_fn=set_up)) for _ in range(2)]
    hook = StopSignalHook(['SIGUSR1'])
    hook.before_train(SimpleNamespace(train_loop=loops[0], val_loop=loops[1]))
    hook.after_train(None)
    for worker, loop in enumerate(loops):
        process = get_context('fork').Process(target=loop.dataloader.worker_init_fn, args=(worker,))
        process.start()
        process.join(60)
        assert 'SIGUSR1' in (tmp_path / str(worker)).read_text()


class KillGroup(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == 6:
            subprocess.run(
                ['kill', '-TERM', '--', f'-{os.getpgid(0)}']
            )  # not from this process itself
            time.sleep(0.5)  # so that a dead worker would be noticed


@pytest.mark.slow
def test_a_signal_to_all_processes_leaves_the_workers_alive(tmp_path):
    code = (
        'import os; from pathlib import Path\n'
        'from test_stop import HOOK, KillGroup; from tiny import runner\n'
        'os.setpgid(0, 0)\n'
        f'runner(Path({str(tmp_path)!r}), workers=2, hooks=[HOOK, KillGroup()]).train()'
    )
    folder = os.path.dirname(__file__)
    left = subprocess.run([sys.executable, '-c', code], cwd=folder, timeout=100)
    assert left.returncode == EXIT_CODE
    assert newest_checkpoint(tmp_path).name == 'stopped_at_iter_7.pth'


class Fail(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        raise ArithmeticError


def test_the_handlers_come_back_after_a_failure(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ArithmeticError):
        runner(tmp_path, hooks=[HOOK, Fail()]).train()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_training_in_a_thread_has_no_signals(tmp_path):
    model = Model()
    thread = threading.Thread(target=lambda: runner(tmp_path, model, hooks=[HOOK]).train())
    thread.start()
    thread.join()
    assert len(model.seen) == 20


@pytest.mark.slow
def test_the_process_ends_with_its_workers(tmp_path):
    code = (
        'from pathlib import Path; from tiny import runner\n'
        "hooks = [dict(type='afno_mm.StopSignalHook')]\n"
        f'run = runner(Path({str(tmp_path)!r}), workers=2, hooks=hooks)\n'
        "run._train_dataloader['persistent_workers'] = True\n"
        'run.train()'
    )
    folder = os.path.dirname(__file__)
    subprocess.run([sys.executable, '-c', code], cwd=folder, check=True, timeout=100)
