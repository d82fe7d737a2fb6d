"""Resume bit for bit, bad numbers, weights that do not fit, signals, and work dirs."""

import functools
import signal
import tempfile
from pathlib import Path

import harness
import torch
from afno_mm.engine import build_model
from checkpoint_drills import KEEP_1, work_dir
from harness import (
    EPOCHS,
    ITERATIONS,
    Child,
    Try,
    call,
    drill,
    epochs,
    is_whole,
    last_line,
    resumed,
    steps,
    train,
    trained,
    wait_for_steps,
)
from mmengine.config import Config

WORKERS = 'train_dataloader.num_workers'
PERSISTENT = 'train_dataloader.persistent_workers'
RESTARTED = (f'{WORKERS}=2', f'{PERSISTENT}=False')
PERSISTING = (f'{WORKERS}=2', f'{PERSISTENT}=True')
SLOW = 'model.delay=0.02'


@functools.cache
def uninterrupted(stock: bool) -> list[dict]:
    """The steps and the weights of a training that was never stopped."""
    folder = Path(tempfile.mkdtemp(prefix='uninterrupted-', dir=harness.FOLDER), 'work_dir')
    return steps(trained(folder))


def _same_bits(folder):
    whole = uninterrupted(harness.STOCK)
    found = [step for step in steps(folder) if 'iteration' in step]
    for what in ('order', 'inputs', 'loss'):
        first = next((a['iteration'] for a, b in zip(whole, found) if a[what] != b[what]), None)
        assert not first, f'{what} differs from iteration {first} on'
    assert steps(folder)[-1] == whole[-1], 'the weights differ'
    assert len(found) == len(whole) - 1


@drill('10 + 10 steps equal 20 in order, inputs, loss and weights', 6)
def ten_and_ten(this: Try):
    pairs = [((), ()), (RESTARTED, ()), ((f'{WORKERS}=1',), PERSISTING)]
    pairs += [(PERSISTING, RESTARTED), ((), (f'{WORKERS}=1',)), (RESTARTED, RESTARTED)]
    before, after = pairs[this.number % len(pairs)]
    folder = trained(this.folder / 'work_dir', 'train_cfg.max_epochs=2', *before)
    recorded = [step for step in steps(folder) if 'iteration' in step]
    text = resumed(folder, *after)
    assert len(recorded) == 10 and len(steps(folder)) == 22, text
    _same_bits(folder)


def _draws(this, *options):
    """Return the draws of a training that was resumed in the middle, and the different ones."""
    folder = trained(this.folder / 'work_dir', 'train_cfg.max_epochs=2', *options)
    resumed(folder, *options)
    draws = [
        # Without the part that is the sample itself.
        f'{float.fromhex(value) - index / 10:.6f}'
        for step in steps(folder)
        for index, value in zip(step.get('order', ()), step.get('inputs', ()))
    ]
    assert len(draws) == 2 * EPOCHS * ITERATIONS
    return len(draws), len(set(draws))


@drill('different augmentation draws, resumed, 0 workers', 1)
def draws_0(this: Try):
    return _draws(this)


@drill('different augmentation draws, resumed, 2 restarted workers', 1)
def draws_2(this: Try):
    return _draws(this, *RESTARTED)


@drill('different augmentation draws, resumed, 2 persistent workers', 1)
def draws_persistent(this: Try):
    return _draws(this, *PERSISTING)


@drill('kill -9 with persistent workers, resumed at once', 4)
def kill_with_workers(this: Try):
    folder = this.folder / 'work_dir'
    child = Child(lambda: train(folder, SLOW, *PERSISTING), this.folder / 'out.txt')
    wait_for_steps(folder, this.random.randint(ITERATIONS + 1, 2 * ITERATIONS), child)
    child.kill(signal.SIGKILL)
    child.wait()
    resumed(folder, *PERSISTING)
    assert is_whole(folder / f'epoch_{EPOCHS}.pth')


@drill('NaN or infinite loss', 4)
def bad_loss(this: Try):
    folder = this.folder / 'work_dir'
    value = ('nan', 'inf')[this.number % 2]
    at = this.random.randint(ITERATIONS + 1, EPOCHS * ITERATIONS)
    options = [KEEP_1] * (this.number > 1)
    fault = (f'model.fault_at={at}', f'model.fault={value}')
    code, text = call(lambda: train(folder, *options, *fault), this.folder / 'out.txt')
    assert code == 1, f'exit code {code}'
    assert f'iteration {at}: ' in text and 'is of layers.0.weight' in text, last_line(text)
    newest = (at - 1) // ITERATIONS
    assert max(epochs(folder)) == newest
    for path in folder.glob('*.pth'):
        state = torch.load(path, weights_only=False)['state_dict']
        assert all(torch.isfinite(tensor).all() for tensor in state.values()), path
    resumed(folder, *options)
    assert is_whole(folder / f'epoch_{EPOCHS}.pth')


def _changed(this, change):
    """Return a work dir whose newest checkpoint has other weights."""
    folder = work_dir(this)
    path = folder / f'epoch_{EPOCHS}.pth'
    checkpoint = torch.load(path, weights_only=False)
    checkpoint['state_dict'] = change(dict(checkpoint['state_dict']))
    torch.save(checkpoint, path)
    return folder, path


@drill('test with weights that are not finite', 2)
def test_bad_weights(this: Try):
    value = float(('nan', 'inf')[this.number % 2])
    folder, path = _changed(this, lambda s: {k: v * value for k, v in s.items()})
    code, text = call(lambda: harness.test(folder, path), this.folder / 'out.txt')
    assert code == 1 and 'not finite, the first is layers.0.weight' in text, last_line(text)


SCALED = 'optim_wrapper.type=DrillScaledWrapper'


@drill('every step skipped by loss scaling: ended by 50, with the reason', 1)
def all_skipped(this: Try):
    folder = this.folder / 'work_dir'
    options = (SCALED, 'model.infinite_gradients=1000', 'train_cfg.max_epochs=20')
    code, text = call(lambda: train(folder, *options), this.folder / 'out.txt')
    assert code == 1 and 'skipped 50 steps in a row' in text, f'exit code {code}'
    assert len(steps(folder)) <= 50


@drill('a few steps skipped by loss scaling: trained to the end', 1)
def few_skipped(this: Try):
    trained(this.folder / 'work_dir', SCALED, 'model.infinite_gradients=7')


@drill('out of memory: images and settings are named, resumable', 2)
def out_of_memory(this: Try):
    folder = this.folder / 'work_dir'
    kind = ('gpu_memory', 'memory')[this.number % 2]
    fault = ('model.fault_at=8', f'model.fault={kind}')
    code, text = call(lambda: train(folder, *fault), this.folder / 'out.txt')
    assert code == 1 and 'The step had 2 images' in text and 'with_cp' in text, last_line(text)
    resumed(folder)


UNFIT = [
    ('other names', lambda s: {f'other.{k}': v for k, v in s.items()}),
    ('other shapes', lambda s: {k: v.repeat([2] * max(v.dim(), 1)) for k, v in s.items()}),
    ('nothing', lambda s: {}),
    ('half of the layers', lambda s: {k: v for k, v in s.items() if k.startswith('layers.3')}),
]


def _unfit(this, run, message):
    name, change = UNFIT[this.number % len(UNFIT)]
    folder, path = _changed(this, change)
    code, text = call(lambda: run(folder, path), this.folder / 'out.txt')
    assert code == 1 and message in text, f'{name}: exit code {code}, {last_line(text)}'


@drill('weights that do not fit: load_from', 4)
def unfit_load_from(this: Try):
    _unfit(this, lambda f, p: train(f / 'new', f'load_from={p}'), 'of the model, ')


@drill('weights that do not fit: resume', 4)
def unfit_resume(this: Try):
    _unfit(this, lambda f, p: train(f, resume=p), 'layers.0.weight')


@drill('weights that do not fit: test', 4)
def unfit_test(this: Try):
    _unfit(this, lambda f, p: harness.test(f, p), 'layers.0.weight')


@drill('weights that do not fit: init_cfg', 4, stock=False)
def unfit_init_cfg(this: Try):
    settings = dict(embed_dims=8, num_heads=(1, 1, 1, 1), num_layers=(1, 1, 1, 1))
    model = dict(settings, type='afno_mm.MiT')
    path = this.folder / 'backbone.pth'

    def run():
        backbone = build_model(Config(dict(model=model)), None, 'cpu')
        changes = [*UNFIT[:3], ('', lambda s: dict(list(s.items())[: len(s) // 8]))]
        change = changes[this.number % len(changes)][1]
        torch.save(dict(state_dict=change(backbone.state_dict())), path)
        pretrained = dict(model, init_cfg=dict(type='Pretrained', checkpoint=str(path)))
        build_model(Config(dict(model=pretrained)), None, 'cpu').init_weights()

    code, text = call(run, this.folder / 'out.txt')
    assert code == 1 and 'of its values' in text, last_line(text)


SIGNALS = signal.SIGTERM, signal.SIGINT, signal.SIGUSR1


@drill('SIGTERM, SIGINT, SIGUSR1: saved, exit code 75, the same bits after resuming', 6)
def signals(this: Try):
    folder = this.folder / 'work_dir'
    child = Child(lambda: train(folder, SLOW), this.folder / 'out.txt')
    wait_for_steps(folder, this.random.randint(1, EPOCHS * ITERATIONS - 4), child)
    child.kill(SIGNALS[this.number % 3])
    code = child.wait()
    done = len(steps(folder))
    assert code == 75, f'exit code {code}'
    assert is_whole(folder / f'stopped_at_iter_{done}.pth')
    resumed(folder)
    _same_bits(folder)


@drill('two trainings in one work dir: the second is refused', 1)
def two_at_once(this: Try):
    folder = this.folder / 'work_dir'
    first = Child(lambda: train(folder, SLOW), this.folder / 'first.txt')
    wait_for_steps(folder, 2, first)
    code, text = call(lambda: train(folder, resume=bool(this.number)), this.folder / 'second.txt')
    assert first.wait() == 0
    assert code == 1 and f'process {first.process} ' in text, f'exit code {code}'
    _same_bits(folder)


@drill('a used work dir without --resume: refused, files untouched', 1)
def used_work_dir(this: Try):
    folder = work_dir(this)
    before = {path.name: path.read_bytes() for path in folder.glob('*.pth')}
    code, text = call(lambda: train(folder), this.folder / 'out.txt')
    after = {path.name: path.read_bytes() for path in folder.glob('*.pth')}
    assert code == 1 and '--resume' in text and before == after, f'exit code {code}'


@drill('activation_checkpointing: the gradients are the same', 1)
def activation_checkpointing(this: Try):
    def weights(*options):
        folder = trained(this.folder / f'{len(options)}', 'train_cfg.max_epochs=1', *options)
        state = torch.load(folder / 'epoch_1.pth', weights_only=False)['state_dict']
        return [state[k] for k in state if 'running' not in k and 'num' not in k]

    pairs = zip(weights(), weights('activation_checkpointing=[layers]'))
    assert all(torch.equal(a, b) for a, b in pairs), 'the weights differ'
