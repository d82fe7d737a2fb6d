"""Read a sweep from its config."""

import os.path as osp
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.config import Config

from .plan import Run, Stage, Sweep, Tune
from .statistics import MOST


def load_sweep(
    path: str,
    trainer: str | Path,
    work_dir: str | Path | None = None,
    stages: Sequence[str] | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    gpus: int = 1,
    seeds: Sequence[int] | None = None,
    small: bool = False,
) -> Sweep:
    """Read a sweep's config. Run and write nothing. The settings of the config are

    * ``points``: a dict from names to options that are set together. The key ``configs`` gives a
      point its own configs, one for each stage; ``of_stages`` its own options for each stage.
    * ``stages``: a list with the arguments of each :class:`Stage`. A point trains them in order.
    * ``seeds`` (optional): each point is trained with each of these seeds. Points of a seed are
      paired: they see the same images in the same order, with the same masks and augmentation.
      Without ``seeds``, each point is trained once, with the seed of its config.
    * ``tune`` (optional): arguments of :class:`Tune`.
    * ``comparisons`` (optional): pairs of points that the results compare. If it is a dict from
      questions to lists of pairs, p is corrected for the pairs of each question alone.
    * ``small`` (optional): settings that replace those above if ``small`` is asked for.
    * ``label`` (optional): what the names of the points are values of.
    * ``plot_over`` (optional): the x axis of the plot. 'names' by default; 'parameters'; or
      'numbers', those after the last '-' of the names. With the last two, a line joins the points
      whose names are equal up to the last '-'.

    The other arguments are those of ``tools/sweep.py``; ``trainer`` is ``tools/train.py``.

    Raises:
        ValueError: If the config is not such a sweep, or does not fit the arguments.
    """
    cfg, note = _read(path, small)
    if gpus < 1:
        raise ValueError(f'--gpus is {gpus}: set 1 or more. Without a GPU, 1 uses the CPU')
    name = Path(path).stem + '_small' * small
    folder = Path(work_dir or Path('work_dirs/sweeps', name)).resolve()
    planned = [_arguments_of(Stage, 'a stage', path, given) for given in cfg['stages']]
    seeds = list(seeds or cfg.get('seeds') or [None])
    tune = _arguments_of(Tune, 'tune', path, cfg['tune']) if cfg.get('tune') else None
    if cfg['comparisons'] and len(seeds) > MOST:
        raise ValueError(
            f'{path} compares points, and its test takes at most {MOST} seeds, got {len(seeds)}'
        )
    if len(set(seeds)) < len(seeds) or (tune and tune.seed in seeds):
        others = f', and that of tune is {tune.seed}' if tune else ''
        raise ValueError(f'the seeds of {path} are {seeds}{others}: they must all differ')
    points: dict[str, list[Run]] = {}
    trials: dict[str, list[Run]] = {}
    for point, options in cfg['points'].items():
        if not re.fullmatch(r'\w[\w.+-]*', point):
            raise ValueError(f'the point {point!r} names a folder: use letters, digits and _.+-')
        configs = _configs(path, point, options.pop('configs', None), planned, stages)
        own = options.pop('of_stages', [{}] * len(planned))
        if len(own) != len(planned):
            raise ValueError(
                f'of_stages of {point} has {len(own)} entries for {len(planned)} stages'
            )
        taken = {key: f'the point {point}' for extra in (options, *own) for key in extra}
        taken |= {tune.key: 'tune'} if tune else {}
        taken |= {'randomness.seed': 'seeds'} if seeds != [None] else {}
        both = sorted(taken.keys() & set(cfg_options or ()))
        if both:
            raise ValueError(
                f'--cfg-options sets {both} for every point, and {taken[both[0]]} of {path} sets '
                f'{both[0]} too. Remove it from --cfg-options'
            )
        options = {**options, **(cfg_options or {})}
        kinds = [
            (stage, config, {**options, **extra}, stage.gpus or gpus)
            for stage, config, extra in zip(planned, configs, own)
        ]
        root, chain = folder / point, partial(_chain, point, trainer=Path(trainer))
        points[point] = []
        for seed in seeds:
            where = root if seed is None else root / f'seed_{seed}'
            points[point] += chain(kinds, where, seed)
        if tune:
            trials[point] = []
            for value in tune.values:
                (run,) = chain(kinds[:1], root / f'trial_{value}', tune.seed)
                trials[point].append(run.with_options({tune.key: value}))
        for run in [*trials.get(point, ()), *points[point]]:
            run.command(start=folder)  # raises before anything runs if an option is impossible
    return Sweep(
        name,
        cfg.get('label', 'point'),
        cfg.get('plot_over', 'names'),
        folder,
        planned,
        seeds,
        points,
        cfg['comparisons'],
        note,
        tune,
        trials,
    )


def _read(path, small):
    """Return the settings of a sweep's config, and a note that stands above the results."""
    cfg = Config.fromfile(path).to_dict()
    note = ''
    if small:
        if 'small' not in cfg:
            raise ValueError(f'{path} has no small version: leave out --small, or use --stages')
        cfg.update(cfg['small'])
        note = f'Small networks and data (--small): not the setting of {path}.'
    for key, kind in dict(points=dict, stages=list).items():
        if not (isinstance(cfg.get(key), kind) and cfg[key]):
            raise ValueError(
                f'{path} is no sweep: {key} is {cfg.get(key)!r}, '
                f'wanted a {kind.__name__} that is not empty'
            )
    plot_over = cfg.get('plot_over', 'names')
    if plot_over not in ('names', 'parameters', 'numbers'):
        raise ValueError(
            f"plot_over of {path} is {plot_over!r}: set 'names', 'parameters' or 'numbers'"
        )
    unnumbered = [name for name in cfg['points'] if not re.fullmatch(r'.+-[0-9.]+', name)]
    if plot_over == 'numbers' and unnumbered:
        raise ValueError(
            f"plot_over of {path} is 'numbers', and the point {unnumbered[0]!r} has no number: "
            "give it a name such as 'AFNO-64'"
        )
    comparisons = cfg.get('comparisons', {})
    if not isinstance(comparisons, dict):
        comparisons = {'': comparisons}
    cfg['comparisons'] = {name: [*map(tuple, pairs)] for name, pairs in comparisons.items()}
    for pair in (pair for pairs in cfg['comparisons'].values() for pair in pairs):
        if len(pair) != 2 or not set(pair) <= set(cfg['points']):
            raise ValueError(
                f'comparisons of {path} has {pair!r}: '
                f'wanted two of its points {list(cfg["points"])}'
            )
    return cfg, note


def _chain(point, kinds, folder, seed, trainer):
    """Return the runs of a point with one seed. Each starts from the previous stage's run."""
    runs: list[Run] = []
    for stage, config, options, processes in kinds:
        work = folder / Path(config).stem
        if any(run.folder == work for run in runs):
            raise ValueError(
                f'two stages of the point {point} would share the folder {work.name}: '
                'give their configs different names'
            )
        if seed is not None:
            options = {**options, 'randomness.seed': seed}
        previous = runs[-1] if runs else None
        runs.append(Run(point, stage, config, options, work, processes, trainer, previous, seed))
    return runs


def _arguments_of(cls, what, path, given):
    known = [field.name for field in fields(cls)]
    needed = [field.name for field in fields(cls) if field.default is MISSING]
    if not set(needed) <= set(given) <= set(known):
        raise ValueError(
            f'{what} of {path} has {list(given)}: it needs {needed}, and the keys are {known}'
        )
    return cls(**given)


def _configs(path, point, own, planned, replacements):
    """Return the configs of a point: the replacements, else its own, else the stages' configs."""
    if own and replacements:
        raise ValueError(
            f'--stages would replace the configs that tell the points of {path} apart. '
            'Leave out --stages'
        )
    configs = own or [stage.config for stage in planned]
    if replacements:
        configs = list(map(str, replacements))
    elif None in configs:
        raise ValueError(
            f'the point {point} of {path} has no configs, and a stage has no config: set either'
        )
    else:
        configs = [osp.normpath(osp.join(osp.dirname(path), config)) for config in configs]
    if len(configs) != len(planned):
        raise ValueError(
            f'{len(configs)} configs ({", ".join(configs)}) for the {len(planned)} stages of {path}'
        )
    for config in configs:
        if not osp.isfile(config):
            raise ValueError(f'the point {point} needs {config}, and there is no such file')
    return configs
