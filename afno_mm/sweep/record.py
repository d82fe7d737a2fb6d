"""What has been run, with which settings, and what came out.

A run's folder has ``stage.json``, written when it begins and again when it is finished.
"""

import json
import math
import os
import time

from mmengine.registry import MODELS, DefaultScope

# Settings that a training may go on with, or be compared with, in other values.
WITHOUT_BEARING = {
    'work_dir',
    'launcher',
    'resume',
    'env_cfg',
    'log_level',
    'log_processor',
    'logger',
    'timer',
    'visualizer',
    'vis_backends',
    'visualization',
    'num_workers',
    'persistent_workers',
    'pin_memory',
    'prefetch_factor',
}


def check(run):
    """The record of a run that has begun, if it is one of the settings that are asked for.

    Returns:
        dict | None: None if the run has no checkpoint yet, so that it begins anew.

    Raises:
        ValueError: If it ran with other settings, whether it is finished or not.
    """
    path = run.folder / 'stage.json'
    record = json.loads(path.read_text()) if path.is_file() else None
    has_checkpoint = (run.folder / 'last_checkpoint').is_file()
    if record is None and has_checkpoint:
        raise ValueError(
            f'{run.folder} holds a training that no sweep has started. Delete it, or '
            'choose another --work-dir'
        )
    if record is None or not (has_checkpoint or 'finished' in record):
        return None
    changes = _changes(record['settings'], settings(run))
    if changes:
        raise ValueError(
            f'{run} {"is finished" if "finished" in record else "has begun"} with other '
            'settings:\n  ' + '\n  '.join(changes) + '\nGive those it ran with, choose another '
            f'--work-dir, or delete {run.folder} to train it anew'
        )
    return record


def begin(run):
    """Record the settings and the time of a run that starts."""
    # The Runner names the folder of each launch so.
    record = dict(settings=settings(run), begun=time.strftime('%Y%m%d_%H%M%S'))
    run.folder.mkdir(parents=True, exist_ok=True)
    _dump(run, record)
    return record


def finish(run, record):
    """Record what a training that has ended gave.

    Returns:
        dict: The record with 'value' and 'at' (the epoch or iteration of it, as 'unit' says),
        'parameters' of the model, 'last' and 'best' checkpoint, and when it 'finished'.

    Raises:
        ValueError: If its validations do not have the metric.
    """
    stage = run.stage
    values = validations(run.folder, stage.metric, record['begun'])
    if not values:
        raise ValueError(
            f'no validation in {run.folder}/*/vis_data/scalars.json gives '
            f'{stage.metric!r}. Set metric of the stage to one that does'
        )
    better = max if stage.rule == 'greater' else min
    # A value that is not a number is the best only if there is no other.
    best = better([at for at in values if not math.isnan(values[at])] or values, key=values.get)
    at = best if stage.collect == 'best' else max(values)
    logger = run.config.get('default_hooks', {}).get('logger', {})
    unit = 'epoch' if logger.get('log_metric_by_epoch', True) else 'iter'
    record = dict(
        record,
        value=values[at],
        at=at,
        unit=unit,
        parameters=parameters(run.config),
        last=os.path.basename((run.folder / 'last_checkpoint').read_text().strip()),
        best=f'best_{stage.metric}_{unit}_{best}.pth'.replace('/', '_'),
        finished=time.strftime('%Y-%m-%d %H:%M:%S'),
    )
    _dump(run, record)
    return record


def checkpoint_to_start_from(run):
    """Path of the checkpoint that the stage before left, None for the first stage.

    Raises:
        ValueError: If it is not there.
    """
    if run.previous is None:
        return None
    kind = run.stage.start_from
    path = run.previous.folder / check(run.previous)[kind]
    if not path.is_file():
        mend = (
            ''
            if kind == 'last'
            else ' CheckpointHook keeps it with '
            f'--cfg-options default_hooks.checkpoint.save_best={run.previous.stage.metric}'
        )
        raise ValueError(
            f'{run} starts from the {kind} checkpoint of the stage before, and there '
            f'is no {path}.{mend}'
        )
    return path


def validations(folder, metric, since=''):
    """Values of a metric over all launches of a training.

    Args:
        folder (Path): Its work dir.
        metric (str): Key in ``vis_data/scalars.json``.
        since (str): Launches before this time, as in their folders' names, are left out.

    Returns:
        dict[int, float]: By epoch or iteration, in order. Where a later launch has done a part
        of the training again, its value counts.
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


def parameters(config):
    """Number of parameters of a config's model."""
    with DefaultScope.overwrite_default_scope(config.get('default_scope', 'mmengine')):
        return sum(p.numel() for p in MODELS.build(config.model).parameters())


def settings(run):
    """All settings that bear on a run's result, flat: dotted keys to values."""
    kept = {
        path: value
        for path, value in _flat(run.config.to_dict())
        if WITHOUT_BEARING.isdisjoint(path.split('.'))
    }
    # One GPU with a batch of 16 and two with 8 each take the same steps.
    kept['batch_size x gpus'] = kept.pop('train_dataloader.batch_size', 1) * run.gpus
    if run.previous:
        before = check(run.previous)
        kept['start'] = (
            f'{before[run.stage.start_from]} of {before["finished"]}'
            if before and 'finished' in before
            else 'not trained yet'
        )
    # As JSON gives them back.
    return json.loads(json.dumps(kept, default=lambda x: getattr(x, '__qualname__', repr(x))))


def write(path, text):
    """Write a file that is whole at any time."""
    part = path.with_name(path.name + '.part')
    part.write_text(text)
    os.replace(part, path)


def _dump(run, record):
    write(run.folder / 'stage.json', json.dumps(record, indent=2) + '\n')


def _flat(value, path=''):
    items = (
        value.items()
        if isinstance(value, dict)
        else list(enumerate(value))
        if isinstance(value, (list, tuple))
        else ()
    )
    if not items:
        yield path, value
    for key, item in items:
        yield from _flat(item, f'{path}.{key}' if path else str(key))


def _changes(ran, asked):
    keys = [
        key
        for key in {**ran, **asked}
        if key not in ran or key not in asked or ran[key] != asked[key]
    ]
    lines = [
        f'{key}: ran with {ran.get(key, "nothing")}, now {asked.get(key, "nothing")}'
        for key in keys
    ]
    return lines[:10] + ([f'and {len(lines) - 10} more'] if len(lines) > 10 else [])
