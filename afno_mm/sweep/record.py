"""Store the settings and results of each run in ``stage.json`` in the run's folder.

The file is written when the run begins, and again when it finishes.
"""

import json
import math
import os
import platform
import time
from pathlib import Path
from typing import Any, TypeGuard

import mmengine
import torch
from mmengine.config import Config

from ..engine import build_model
from ..engine.safety.checkpoint_files import AtomicLocalBackend
from .plan import Run, Stage, Sweep

# Settings that may change when a training continues: they do not change its result.
IRRELEVANT_SETTINGS = set(
    'work_dir launcher resume env_cfg log_level log_processor logger timer visualizer vis_backends '
    'visualization num_workers persistent_workers pin_memory prefetch_factor'.split()
)


READ_BY = ('metric', 'collect', 'rule')  # settings of a stage that say what a record holds


def check(run: Run) -> dict | None:
    """Return the record of a run that has begun, or None if the run has no checkpoint yet.

    Raises:
        ValueError: If it ran with other settings than the run has now, or if the folder has a
            checkpoint but no record.
    """
    path = run.folder / 'stage.json'
    record = json.loads(path.read_text()) if path.is_file() else None
    has_checkpoint = (run.folder / 'last_checkpoint').is_file()
    if record is None and has_checkpoint:
        raise ValueError(
            f'{run.folder} holds a training that no sweep has started. Delete it, or '
            'choose another --work-dir'
        )
    if record is None or not (has_checkpoint or is_finished(record)):
        return None
    changes = _changes(record['settings'], settings(run))
    if changes:
        raise ValueError(
            f'{run} {"is finished" if is_finished(record) else "has begun"} with other '
            'settings:\n  ' + '\n  '.join(changes) + '\nRestore these settings, choose another '
            f'--work-dir, or delete {run.folder} to train it again'
        )
    if is_finished(record) and not _is_read(record, run.stage):
        return finish(run, record, record['seconds'])
    return record


def _is_read(record, stage):
    """Return whether a finished record has the values that the stage collects today."""
    same = all(record.get(key, getattr(stage, key)) == getattr(stage, key) for key in READ_BY)
    return same and set(stage.others) <= set(record.get('others', ()))


def is_finished(record: dict | None) -> TypeGuard[dict]:
    """Return True if there is a record and its run has finished."""
    return record is not None and 'finished' in record


def begin(run: Run) -> dict:
    """Write and return the record of a run that starts: its settings and the time."""
    # The time has the format of the folder that the Runner makes for each launch.
    begun = time.strftime('%Y%m%d_%H%M%S')
    record = dict(settings=settings(run), begun=begun, versions=versions())
    run.folder.mkdir(parents=True, exist_ok=True)
    _dump(run, record)
    return record


def versions() -> dict[str, str]:
    """Return the versions, processor and threads, on which the bits of a result also depend."""
    return dict(
        python=platform.python_version(),
        torch=torch.__version__,
        mmengine=mmengine.__version__,
        processor=f'{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}',
        threads=os.environ.get('OMP_NUM_THREADS', 'default'),
    )


def finish(run: Run, record: dict, seconds: float = 0.0) -> dict:
    """Write and return the record of a run whose training has ended.

    Added keys are 'value' of the metric; 'at', its epoch or iteration; 'unit', 'epoch' or 'iter';
    'curve', the values of all validations; 'others', the other metrics of the same validation;
    'seconds' of the last launch; 'parameters', their number; 'last' and 'best', file names of
    checkpoints; 'finished', the time; 'metric', 'collect' and 'rule' of the stage.

    Raises:
        ValueError: If the validations lack the metric or one of the stage's ``others``.
    """
    stage = run.stage
    values = validations(run.folder, stage.metric, record['begun'])
    if not values:
        raise ValueError(
            f'no validation in {run.folder}/*/vis_data/scalars.json gives '
            f'{stage.metric!r}. Set metric of the stage to one that does'
        )
    best = _best(values, stage)
    at = best if stage.collect == 'best' else max(values)
    logger = run.config.get('default_hooks', {}).get('logger', {})
    unit = 'epoch' if logger.get('log_metric_by_epoch', True) else 'iter'
    others = {name: validations(run.folder, name, record['begun']) for name in stage.others}
    missing = [name for name, found in others.items() if at not in found]
    if missing:
        raise ValueError(f'the validations in {run.folder} do not give {missing}: see others')
    record = dict(
        record,
        value=values[at],
        others={name: found[at] for name, found in others.items()},
        curve=values,
        seconds=round(seconds, 1),
        at=at,
        unit=unit,
        parameters=parameters(run.config),
        last=os.path.basename((run.folder / 'last_checkpoint').read_text().strip()),
        best=f'best_{stage.metric}_{unit}_{best}.pth'.replace('/', '_'),
        finished=record.get('finished') or time.strftime('%Y-%m-%d %H:%M:%S'),
        **{key: getattr(stage, key) for key in READ_BY},
    )
    _dump(run, record)
    return record


def value(found: dict, metric: str) -> float:
    """Return a finished run's value of its metric, or of one of its other metrics."""
    return found.get('others', {}).get(metric, found['value'])


def choose(sweep: Sweep) -> None:
    """Set the tuned setting of each point whose trials have finished to its best value."""
    for name, trials in sweep.trials.items():
        if name in sweep.chosen or sweep.tune is None:
            continue
        values = {i: f['value'] for i, f in enumerate(map(check, trials)) if is_finished(f)}
        if len(values) == len(trials):
            value = sweep.tune.values[_best(values, sweep.stages[0])]
            sweep.chosen[name] = value
            option = {sweep.tune.key: value}
            sweep.points[name] = [run.with_options(option) for run in sweep.points[name]]


def _best(values: dict[int, float], stage: Stage) -> int:
    """Return the key of the best value. NaN is the best only if every value is NaN."""
    better = max if stage.rule == 'greater' else min
    numbers = [key for key in values if not math.isnan(values[key])]
    return better(numbers or values, key=lambda key: values[key])


def checkpoint_to_start_from(run: Run) -> Path | None:
    """Return the previous stage's checkpoint to start from, or None in the first stage."""
    if run.previous is None:
        return None
    kind, before = run.stage.start_from, check(run.previous)
    assert before is not None  # runs start after the previous stage has finished
    path = run.previous.folder / before[kind]
    if not path.is_file():
        metric = run.previous.stage.metric
        hint = f'. Keep it with --cfg-options default_hooks.checkpoint.save_best={metric}'
        raise ValueError(
            f'{run} starts from the {kind} checkpoint of the previous stage, and there is no '
            f'{path}{hint if kind == "best" else ""}'
        )
    return path


def validations(folder: Path, metric: str, since: str = '') -> dict[int, float]:
    """Return the values of a metric by epoch or iteration, over all launches of a training.

    If several launches validated the same step, the newest launch's value is kept. ``since`` is a
    timestamp in the format of the launch folders, such as '20260131_120000'. Launches before it are
    ignored.
    """
    values = {}
    for path in sorted(folder.glob('*/vis_data/scalars.json')):
        if path.parts[-3] < since:
            continue
        for line in path.read_text().splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:  # the last line of a launch that was killed
                continue
            if metric in entry:
                values[entry['step']] = entry[metric]
    return dict(sorted(values.items()))


def parameters(config: Config) -> int:
    """Return the number of parameters of a config's model."""
    return sum(p.numel() for p in build_model(config, None, 'meta').parameters())


def settings(run: Run) -> dict[str, Any]:
    """Return all settings that can change a run's result, by dotted keys."""
    every = _flat(run.config.to_dict())
    kept = {k: value for k, value in every if IRRELEVANT_SETTINGS.isdisjoint(k.split('.'))}
    # Compare the total batch size: one GPU with a batch of 16 takes the same steps as two with 8.
    kept['batch_size x gpus'] = kept.pop('train_dataloader.batch_size', 1) * run.gpus
    if run.previous:
        before = check(run.previous)
        kept['start'] = 'not trained yet'
        if is_finished(before):
            kept['start'] = f'{before[run.stage.start_from]} of {before["finished"]}'
    # Convert to JSON and back, so that the comparison with a stored record is exact.
    return json.loads(json.dumps(kept, default=lambda x: getattr(x, '__qualname__', repr(x))))


def _dump(run, record):
    AtomicLocalBackend().put_text(json.dumps(record, indent=2) + '\n', run.folder / 'stage.json')


def _flat(value, path=''):
    if isinstance(value, (list, tuple)) and value:
        value = dict(enumerate(value))
    if not isinstance(value, dict) or not value:
        yield path, value
        return
    for key, item in value.items():
        yield from _flat(item, f'{path}.{key}' if path else str(key))


def _changes(ran, asked):
    lines = [
        f'{key}: ran with {ran.get(key, "nothing")}, now {asked.get(key, "nothing")}'
        for key in {**ran, **asked}
        if (key in ran, ran.get(key)) != (key in asked, asked.get(key))
    ]
    return lines[:10] + ([f'and {len(lines) - 10} more'] if len(lines) > 10 else [])
