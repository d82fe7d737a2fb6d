"""A hung, dead or unreachable process ends the training in time; signals and exit codes pass."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from afno_mm.engine.safety import network, newest_checkpoint, set_interface
from afno_mm.engine.safety.distributed import Judge, RankWatchHook
from afno_mm.engine.safety.network import choose_interface
from afno_mm.engine.safety.stop import EXIT_CODE

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
PATH = f'{Path(sys.executable).parent}:{os.environ["PATH"]}'


def state(beat, **changes):
    known = dict(moves=9, stage=4, iteration=2, doing='forward', in_step=True, saving=False)
    place = dict(line='model.py:3 (forward)', host='node', process=7, done=False)
    return dict(known, **place, beat=beat) | changes


def verdict(*changes, seconds=12, silent=()):
    """Judge processes that make no progress, as rank 0 with a timeout of 10 s."""
    judge = Judge(0, len(changes), 10)
    for second in range(seconds):
        beats = [0 if rank in silent else second for rank in range(len(changes))]
        states = [state(beat, **c) for beat, c in zip(beats, changes)]
        accused, text = judge(states, states[0]['moves'], 1)
    return accused, text


def test_the_process_behind_the_others_is_named():
    accused, text = verdict(dict(stage=5), {}, dict(stage=5))
    assert accused == [1]
    assert re.match(r'rank 1 \(node, process 7\) has not finished iteration 2 for 11 s', text)
    assert 'model.py:3' in text
    assert verdict(dict(stage=5), {}, seconds=9) == ([], '')


def test_a_silent_process_is_named_whatever_the_others_do():
    quiet = dict(in_step=False, doing='evaluation')
    assert verdict(quiet, quiet, quiet, silent=[2])[0] == [2]
    assert verdict(dict(stage=5), dict(stage=4), dict(stage=5), silent=[2])[0] == [2]


def test_without_news_of_any_process_the_store_is_named():
    accused, text = verdict({}, {}, silent=[0, 1])
    assert accused == [] and 'out of reach' in text


def test_all_in_one_step_are_shown_with_their_lines():
    accused, text = verdict({}, dict(line='data.py:8 (read)'))
    assert accused == [] and 'no rank has finished iteration 2' in text and 'data.py:8' in text


def test_long_checkpoints_evaluations_and_ends_are_left_alone():
    assert verdict(dict(stage=3, saving=True), {}) == ([], '')
    assert verdict(dict(in_step=False), dict(in_step=False)) == ([], '')
    assert verdict(dict(done=True), dict(stage=3, in_step=False)) == ([], '')


def test_progress_of_any_process_is_enough():
    judge = Judge(0, 2, 10)
    for second in range(50):
        moving = state(second, moves=second // 8)
        assert judge([state(second, stage=9), moving], 9, 1) == ([], '')


def test_validation_iterations_are_progress_but_put_no_process_ahead_until_the_last():
    hook, runner = RankWatchHook(), SimpleNamespace(iter=5, val_dataloader=range(3))
    hook.before_val_epoch(runner)
    seen = []
    for index in range(3):
        before = hook.moves
        hook.before_val_iter(runner, index)
        hook.after_val_iter(runner, index)
        assert hook.moves > before and not hook.in_step
        seen.append((hook.stage, hook.doing))
    assert seen == [(1, 'validation'), (1, 'validation'), (2, 'evaluation')]
    hook.before_train_iter(runner, 0)
    assert hook.in_step and hook.iteration == 6


def test_a_test_run_needs_no_validation_data():
    hook = RankWatchHook()
    hook.after_test_iter(SimpleNamespace(iter=0), 0)
    assert hook.moves


def test_the_timeout_is_below_that_of_the_collectives():
    assert RankWatchHook().bound({}) == 540  # NCCL's default is 600
    assert RankWatchHook().bound(dict(env_cfg=dict(dist_cfg=dict(timeout=100)))) == 90
    assert RankWatchHook(timeout=7).bound(dict(env_cfg=dict(dist_cfg=dict(timeout=100)))) == 7


def test_the_interface_leads_to_the_master(monkeypatch):
    assert choose_interface('127.0.0.1') is None
    assert choose_interface('no.such.host.invalid') is None
    monkeypatch.setenv('GROUP_WORLD_SIZE', '2')
    monkeypatch.setenv('MASTER_ADDR', '127.0.0.1')
    monkeypatch.delenv('GLOO_SOCKET_IFNAME', raising=False)
    assert set_interface() is None and 'GLOO_SOCKET_IFNAME' not in os.environ
    monkeypatch.setenv('GLOO_SOCKET_IFNAME', 'mine')
    assert set_interface() is None and os.environ['GLOO_SOCKET_IFNAME'] == 'mine'


@pytest.mark.parametrize('own', [None, 'theirs'])
@pytest.mark.parametrize('others', [{}, {'10.0.1.1': 'ib0'}])
def test_the_interface_is_for_nccl_too_if_there_are_several(own, others, monkeypatch):
    monkeypatch.setattr(network, '_addresses', lambda: {'10.0.0.1': 'eth0', **others})
    monkeypatch.setattr(network, 'choose_interface', lambda master: 'eth0')
    monkeypatch.setenv('GROUP_WORLD_SIZE', '2')
    monkeypatch.setenv('MASTER_ADDR', 'one')
    monkeypatch.setenv('GLOO_SOCKET_IFNAME', '')
    monkeypatch.setenv('NCCL_SOCKET_IFNAME', own or '')
    del os.environ['GLOO_SOCKET_IFNAME']
    if own is None:
        del os.environ['NCCL_SOCKET_IFNAME']
    assert set_interface() == os.environ['GLOO_SOCKET_IFNAME'] == 'eth0'
    assert os.environ.get('NCCL_SOCKET_IFNAME') == (own or ('=eth0' if others else None))


class Launched:
    """tools/dist_train.sh with another train.py: the training of tiny_distributed.py."""

    def __init__(self, folder, *arguments, processes=2, inside=(), **environment):
        tools = folder / 'tools'
        tools.mkdir(exist_ok=True)
        for name in ('dist_train.sh', 'dist_launch.py'):
            shutil.copy(REPOSITORY / 'tools' / name, tools)
        shutil.copy(HERE / 'tiny_distributed.py', tools / 'train.py')
        with socket.socket() as probe:
            probe.bind(('', 0))
            port = probe.getsockname()[1]
        default = dict(PATH=PATH, OMP_NUM_THREADS='1', PORT=str(port))
        default['PYTHONPATH'] = f'{REPOSITORY}:{HERE}'
        self.log = folder / f'log{len(list(folder.glob("log*")))}'
        command = [*inside, 'bash', tools / 'dist_train.sh', folder / 'work', processes, *arguments]
        with self.log.open('w') as log:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdout=log,
                stderr=log,
                env=dict(os.environ) | default | environment,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            # exec: this is the launcher, and its children are the training processes.
            subprocess.run(['pkill', '-KILL', '-P', str(self.process.pid)])
            self.process.kill()
            self.process.wait()

    def text(self):
        return self.log.read_text()

    def expect(self, pattern, seconds=60):
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.text())):
            assert time.monotonic() < end and self.process.poll() is None, self.text()[-5000:]
            time.sleep(0.05)
        return found

    def end(self, seconds=60):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f'not ended after {seconds} s\n{self.text()[-5000:]}')
        return self.process.returncode


@pytest.mark.slow
@pytest.mark.parametrize(
    'how, text',
    [('STOP', 'no sign of life'), ('forward', r', in forward, .* at \S+train\.py:\d+ \(hang\)')],
)
def test_a_hung_process_ends_the_training_in_time_and_is_named(tmp_path, how, text):
    with Launched(tmp_path, '--how', how, '--timeout', 4) as run:
        began = float(run.expect(r'(?:STOP|hang) at ([\d.]+)')[1])
        assert run.end(40) == 1
        assert time.monotonic() - began < 25  # the launcher's own end included
    found = re.search(
        rf'rank 1 \(\S+, process \d+\) has not finished iteration 5 for \d+ s.*{text}', run.text()
    )
    assert found, run.text()[-5000:]
    assert newest_checkpoint(tmp_path / 'work').name == 'iter_4.pth'


@pytest.mark.slow
def test_a_killed_process_ends_the_training_at_once(tmp_path):
    with Launched(tmp_path, '--how', 'KILL', '--timeout', 60) as run:
        began = float(run.expect(r'KILL at ([\d.]+)')[1])
        assert run.end(40) == 1
        assert time.monotonic() - began < 25
    assert re.search(r'rank\s+: 1 .*\n\s+exitcode\s+: -9', run.text())


@pytest.mark.slow
def test_a_checkpoint_may_take_longer_than_the_timeout(tmp_path):
    with Launched(tmp_path, '--how', 'slow save', '--timeout', 2, '--most', 2) as run:
        assert run.end() == 0, run.text()[-5000:]


@pytest.mark.slow
@pytest.mark.parametrize('name', ['SIGTERM', 'SIGUSR1', 'SIGINT'])
def test_a_signal_to_the_script_saves_and_exits_with_75(tmp_path, name):
    with Launched(tmp_path, '--how', 'slow', '--most', 1000) as run:
        run.expect('iteration 3 begins')
        run.process.send_signal(signal.Signals[name])
        assert run.end(20) == EXIT_CODE, run.text()[-5000:]
    assert newest_checkpoint(tmp_path / 'work').name.startswith('stopped_at_iter_')


@pytest.mark.slow
def test_a_signal_to_the_script_and_its_processes_is_one_signal(tmp_path):
    """As Slurm sends SIGTERM at the time limit, and the launcher passes it on once more."""
    with Launched(tmp_path, '--how', 'slow', '--most', 1000) as run:
        run.expect('iteration 3 begins')
        subprocess.run(['pkill', '-TERM', '-P', str(run.process.pid)])
        run.process.send_signal(signal.SIGTERM)
        assert run.end(20) == EXIT_CODE, run.text()[-5000:]
    assert newest_checkpoint(tmp_path / 'work').name.startswith('stopped_at_iter_')


@pytest.fixture
def machines():
    """Two network namespaces with a loopback of their own and a link between them."""
    if os.geteuid() or not shutil.which('ip'):
        pytest.skip('network namespaces need root and iproute2')
    names = [f'afno{os.getpid()}{side}' for side in 'ab']
    links = [f'veth{os.getpid() % 100000}{side}' for side in 'ab']
    ip = lambda *words: subprocess.run(['ip', *words], check=True, capture_output=True)  # noqa: E731
    try:
        try:
            for name in names:
                ip('netns', 'add', name)
            ip('link', 'add', links[0], 'type', 'veth', 'peer', 'name', links[1])
            for number, (name, link) in enumerate(zip(names, links), 1):
                ip('link', 'set', link, 'netns', name)
                ip('-n', name, 'addr', 'add', f'10.231.7.{number}/24', 'dev', link)
                ip('-n', name, 'link', 'set', link, 'up')
                ip('-n', name, 'link', 'set', 'lo', 'up')
        except subprocess.CalledProcessError as error:
            pytest.skip(f'no network namespaces: {error.stderr.decode()}')
        yield names, links
    finally:
        for name in names:
            subprocess.run(['ip', 'netns', 'del', name], capture_output=True)
        subprocess.run(['ip', 'link', 'del', links[0]], capture_output=True)


@pytest.mark.slow
def test_two_machines_train_and_one_lost_ends_the_other_in_time_and_both_resume(machines, tmp_path):
    names, links = machines

    def launch(rank, *arguments):
        where = dict(NNODES='2', NODE_RANK=str(rank), MASTER_ADDR='10.231.7.1', PORT='29577')
        # Processes of its own too: no machine can end those of another one.
        own = ('unshare', '--pid', '--fork', '--mount-proc', '--kill-child')
        inside = ('ip', 'netns', 'exec', names[rank], *own)
        return Launched(tmp_path, *arguments, processes=1, inside=inside, **where)

    slowly = ('--how', 'slow', '--most', 1000, '--timeout', 4)
    with launch(0, *slowly) as first, launch(1, *slowly) as second:
        for run, link in zip((first, second), links):
            run.expect(f'interface {link}\n')
            run.expect('iteration 3 begins')
        subprocess.run(['ip', '-n', names[1], 'link', 'set', links[1], 'down'], check=True)
        lost = time.monotonic()
        assert [first.end(20), second.end(20)] == [1, 1]
        assert time.monotonic() - lost < 25
    assert re.search(r'rank 1 \(.*gives no sign of life', first.text()), first.text()[-5000:]
    assert 'its store at 10.231.7.1:29577 has been out of reach for' in second.text()

    subprocess.run(['ip', '-n', names[1], 'link', 'set', links[1], 'up'], check=True)
    reached = int(newest_checkpoint(tmp_path / 'work').stem.rpartition('_')[2])
    again = ('--resume', '--most', reached + 2)
    with launch(0, *again) as first, launch(1, *again) as second:
        assert [first.end(), second.end()] == [0, 0], first.text()[-5000:]
    assert f'iteration {reached + 1} begins' in first.text()
    assert 'iteration 1 begins' not in first.text()


def slurm(folder, *arguments, code=0, **environment):
    """Run slurm_train.sh with commands of Slurm that only say how they were called."""
    commands = folder / 'commands'
    commands.mkdir()
    for name in ('srun', 'sbatch', 'scontrol', 'python'):
        end = f'exit {code if name == "python" else 0}'
        if name == 'srun':  # run the task, as srun does
            end = 'while [ "$1" != bash ]; do shift; done; "$@"'
        (commands / name).write_text(f'#!/bin/bash\necho "{name} $*"\n{end}\n')
        (commands / name).chmod(0o755)
    result = subprocess.run(
        ['bash', str(REPOSITORY / 'tools/slurm_train.sh'), *arguments],
        capture_output=True,
        text=True,
        env=dict(PATH=f'{commands}:{os.environ["PATH"]}', LINGER='0', **environment),
    )
    return result.returncode, result.stdout + result.stderr


def test_slurm_batch_job_is_submitted_with_the_signal_and_requeue(tmp_path):
    code, text = slurm(tmp_path, 'gpu', 'my job', 'c.py', '--amp', BATCH='1', SRUN_ARGS='--time=5')
    assert code == 0 and text.startswith('sbatch -p gpu --job-name=my job --gres=gpu:8 ')
    assert '--time=5 --signal=USR1@120 --requeue' in text and 'srun' not in text
    assert re.search(r'--wrap BATCH=inside bash \S+/slurm_train.sh gpu my\\ job c.py --amp', text)


def test_slurm_batch_job_is_queued_again_when_the_training_has_saved(tmp_path):
    code, text = slurm(tmp_path, 'gpu', 'j', 'c.py', code=75, BATCH='inside', SLURM_JOB_ID='12')
    assert code == 75 and 'scontrol requeue 12' in text
    assert '--signal' not in text and '--resume' not in text


def test_slurm_batch_job_that_was_queued_again_resumes(tmp_path):
    inside = dict(BATCH='inside', SLURM_JOB_ID='12', SLURM_RESTART_COUNT='1')
    code, text = slurm(tmp_path, 'gpu', 'j', 'c.py', **inside)
    assert code == 0 and 'scontrol' not in text
    assert re.search(r'python -u \S+/train.py c.py --launcher slurm --resume\n', text)


def test_slurm_job_that_failed_is_not_queued_again(tmp_path):
    code, text = slurm(tmp_path, 'gpu', 'j', 'c.py', code=1, BATCH='inside', SLURM_JOB_ID='12')
    assert code == 1 and 'scontrol' not in text


def test_slurm_run_without_a_batch_job_says_how_to_go_on(tmp_path):
    code, text = slurm(tmp_path, 'gpu', 'j', 'c.py', code=75)
    assert code == 75 and '--signal=USR1@120' in text and 'same command and --resume' in text
