"""Measure the cost of the safeties: train with all of them and with none of them, in turns.

    python benchmarks/safety_cost.py                      the demo of the README, on its scenes
    python benchmarks/safety_cost.py --out results.json   write the raw values too

Each round trains both ways, in random order. The times of steps are processor times of the training
process, with one thread and no workers. The first steps of each training are left out.

* The training with safeties also times their own functions, as a share of its steps. This share is
  precise: noise of the machine changes both times alike.
* The difference of both trainings has all that the safeties change, and the noise of the machine.
  Both keep exact_resume, so that both draw the same augmentation, which takes part of a step.
* Every ten steps, the training saves a checkpoint. This is timed separately.
"""

import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from afno_mm.command_line import Parser

ROOT = Path(__file__).resolve().parents[1]
WARM_UP = 5
EVERY = 10
MEASURED = ('steps', 'checkpoints')


def train(config: str, steps: int, safe: bool) -> dict[str, list[float]]:
    """Train in this process. Return the seconds of each step and checkpoint, and of each safety."""
    from afno_mm.engine import build_runner, read_config
    from afno_mm.engine.safety import resume
    from afno_mm.engine.safety.switches import SAFETIES
    from mmengine.hooks import Hook

    cfg = read_config(config)
    if not safe:
        cfg.safety = dict.fromkeys(SAFETIES.keys() - {'exact_resume'}, False)
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=steps)
    cfg.train_dataloader.sampler = dict(type='InfiniteSampler', shuffle=True)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    cfg.default_hooks.checkpoint = dict(
        type='CheckpointHook', interval=EVERY, by_epoch=False, max_keep_ckpts=1
    )
    cfg.param_scheduler = []
    cfg.randomness = dict(seed=0)
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    found: dict[str, list[float]] = dict(steps=[], checkpoints=[])
    spent: dict[str, float] = {}  # by safety: seconds since the last start of a step

    def counted(name, function):
        def run(*args, **kwargs):
            start = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent[name] = spent.get(name, 0) + time.process_time() - start

        return run

    class Clock(Hook):
        """Record the processor time of each step, from its start to the start of the next step."""

        priority = 'HIGHEST'
        start = 0.0

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            now = time.process_time()
            if runner.iter >= WARM_UP and runner.iter % EVERY:  # skip steps that saved a checkpoint
                found['steps'].append(now - self.start)
                for name, seconds in spent.items():
                    found.setdefault(name, []).append(seconds)
            spent.clear()
            self.start = now

    with tempfile.TemporaryDirectory() as folder:
        cfg.work_dir = folder
        runner = build_runner(cfg)
        (saver,) = (hook for hook in runner.hooks if type(hook).__name__ == 'CheckpointHook')
        after_train_iter = saver.after_train_iter

        def timed(runner, *args, **kwargs):
            start = time.perf_counter()
            after_train_iter(runner, *args, **kwargs)
            if (runner.iter + 1) % EVERY == 0:
                found['checkpoints'].append(time.perf_counter() - start)

        saver.after_train_iter = timed
        own = {kind: name for name, kind in SAFETIES.items() if name != 'checkpoints'}
        for hook in runner.hooks:
            name = own.get(f'afno_mm.{type(hook).__name__}')
            for method in ('before_train_iter', 'after_train_iter', '_before_step'):
                # In a step, exact_resume only calls seed_everything, which is timed below.
                if name not in (None, 'exact_resume') and hasattr(hook, method):
                    setattr(hook, method, counted(name, getattr(hook, method)))
        resume.seed_everything = counted('exact_resume', resume.seed_everything)
        runner.register_hook(Clock())
        runner.train()
    return found


def compare(on: list[float], off: list[float]) -> str:
    """Return the mean of each way over the rounds, and their paired difference in percent."""
    ratios = [100 * (a / b - 1) for a, b in zip(on, off)]
    error = statistics.stdev(ratios) / len(ratios) ** 0.5 if len(ratios) > 1 else float('nan')
    return (
        f'{statistics.mean(on):.4f} s with, {statistics.mean(off):.4f} s without: '
        f'{statistics.mean(ratios):+.2f} % (standard error {error:.2f}, {len(ratios)} rounds)'
    )


def shares(rounds: list[dict[str, dict[str, list[float]]]]) -> str:
    """Return the time in each safety's own functions, in percent of the steps of the same runs."""
    runs = [values['on'] for values in rounds]
    names = dict.fromkeys(name for run in runs for name in run if name not in MEASURED)
    lines, total = [], [0.0] * len(runs)
    for name in names:
        parts = [100 * sum(run.get(name, [])) / sum(run['steps']) for run in runs]
        total = [a + b for a, b in zip(total, parts)]
        lines.append(f'  {name}: {statistics.mean(parts):.3f} % of a step')
    worst = max(total)
    lines.append(f'  together: {statistics.mean(total):.3f} % of a step, at most {worst:.3f} %')
    return '\n'.join(lines)


def main() -> None:
    example = 'python benchmarks/safety_cost.py --rounds 2'
    parser = Parser(__doc__.splitlines()[0], example)
    parser.add_argument('config', nargs='?', default='configs/segformer_afno_b0_scenes.py')
    parser.add_argument('--rounds', type=int, default=8)
    parser.add_argument('--steps', type=int, default=60, help='of each training')
    parser.add_argument('--out', help='a JSON file for the raw values')
    parser.add_argument(
        '--one', choices=['on', 'off'], help='train once, this way, and print the seconds'
    )
    args = parser.parse_args()
    if args.one:
        print(json.dumps(train(args.config, args.steps, args.one == 'on')))
        return
    command = [sys.executable, __file__, args.config, '--steps', str(args.steps), '--one']
    environment = dict(os.environ, OMP_NUM_THREADS='1')
    rounds = []
    for number in range(args.rounds):
        values = {}
        for way in random.sample(['on', 'off'], 2):
            run = subprocess.run(
                [*command, way], cwd=ROOT, env=environment, capture_output=True, text=True
            )
            if run.returncode:
                sys.exit(f'{" ".join(command)} {way} failed:\n{run.stderr[-3000:]}')
            values[way] = json.loads(run.stdout.splitlines()[-1])
        rounds.append(values)
        medians = {way: statistics.median(found['steps']) for way, found in values.items()}
        print(f'round {number + 1} of {args.rounds}: seconds per step {medians}', flush=True)
    print(f'in the functions of the safeties:\n{shares(rounds)}')
    for kind in MEASURED:
        on, off = ([statistics.median(r[way][kind]) for r in rounds] for way in ('on', 'off'))
        print(f'{kind}: {compare(on, off)}')
    if args.out:
        import torch

        versions = dict(python=platform.python_version(), torch=torch.__version__)
        facts = dict(command=' '.join(sys.argv), versions=versions, cores=os.cpu_count())
        Path(args.out).write_text(json.dumps(dict(facts, rounds=rounds), indent=1) + '\n')


if __name__ == '__main__':
    main()
