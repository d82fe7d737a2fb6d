"""Read what to run: the points and stages of a sweep, and the command of each training."""

import os.path as osp
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..engine.config import command_line, load_config


@dataclass(frozen=True)
class Stage:
    """One training at every point.

    ``start_from`` is the checkpoint of the previous stage to start the backbone from: 'last', or
    'best' by that stage's metric, which ``CheckpointHook.save_best`` keeps.
    """

    metric: str  # name of the validation metric to collect, as in vis_data/scalars.json
    config: str | None = None  # relative to the sweep's file; optional if every point has its own
    collect: str = 'last'  # which value to collect: 'last', or 'best' of all validations
    rule: str = 'greater'  # whether 'greater' or 'less' is better
    start_from: str = 'last'
    gpus: int | None = None  # number of processes; by default that of the sweep

    def __post_init__(self) -> None:
        for name in ('collect', 'rule', 'start_from'):
            value = getattr(self, name)
            allowed = ('greater', 'less') if name == 'rule' else ('last', 'best')
            if value not in allowed:
                raise ValueError(
                    f'{name} of the stage of {self.metric} is {value!r}: set one of {allowed}'
                )


@dataclass(frozen=True)
class Run:
    """A stage at a point: one training in its own folder."""

    point: str
    stage: Stage
    config_file: str
    options: dict[str, Any]  # settings of this point, by dotted keys
    folder: Path  # the work dir
    gpus: int  # number of processes
    trainer: Path  # tools/train.py
    previous: 'Run | None' = None  # the run of the previous stage

    @property
    def log(self) -> Path:
        return self.folder.with_name(self.folder.name + '.log')

    def __str__(self) -> str:
        return f'{self.point}: {self.folder.name}'

    @cached_property
    def config(self) -> Config:
        """The config with this point's options, but without the checkpoint to start from."""
        arguments = [self.config_file, *_cfg_options(self.options)]
        return load_config(command_line('').parse_args(arguments))

    def command(self, start: str | Path | None = None) -> list[str]:
        """Return the command that starts this training from a checkpoint, or continues it."""
        options = dict(self.options)
        if start:
            options['model.backbone.init_cfg.type'] = 'Pretrained'
            options['model.backbone.init_cfg.checkpoint'] = str(start)
        arguments = ['--work-dir', str(self.folder), '--resume', *_cfg_options(options)]
        train = [str(self.trainer), self.config_file]
        if self.gpus == 1:
            return [sys.executable, *train, *arguments]
        torchrun = ['-m', 'torch.distributed.run', '--standalone', f'--nproc_per_node={self.gpus}']
        return [sys.executable, *torchrun, *train, '--launcher', 'pytorch', *arguments]


@dataclass(frozen=True)
class Sweep:
    """A grid of trainings."""

    name: str
    label: str  # what the names of the points are values of
    plot_over: str  # the x axis of the plot: 'names' or 'parameters'
    folder: Path  # trainings and results
    stages: list[Stage]
    points: dict[str, list[Run]]  # by name: one run for each stage


def load_sweep(
    path: str,
    trainer: str | Path,
    work_dir: str | Path | None = None,
    stages: Sequence[str] | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    gpus: int = 1,
) -> Sweep:
    """Read a sweep's config. Nothing is run or written. The settings of the config are

    * ``points``: a dict from names to options that are set together. The key ``configs`` gives a
      point its own configs, one for each stage.
    * ``stages``: a list of arguments of :class:`Stage`. They are trained one after the other.
    * ``label`` (optional): what the names of the points are values of.
    * ``plot_over`` (optional): 'names' or 'parameters'. With 'parameters', a line joins the points
      whose names are equal up to the last '-'.

    The other arguments are those of ``tools/sweep.py``; ``trainer`` is ``tools/train.py``.

    Raises:
        ValueError: If the config is not such a sweep.
    """
    cfg = Config.fromfile(path).to_dict()
    for key, kind in dict(points=dict, stages=list).items():
        if not (isinstance(cfg.get(key), kind) and cfg[key]):
            raise ValueError(
                f'{path} is no sweep: {key} is {cfg.get(key)!r}, '
                f'wanted a {kind.__name__} that is not empty'
            )
    plot_over = cfg.get('plot_over', 'names')
    if plot_over not in ('names', 'parameters'):
        raise ValueError(f"plot_over of {path} is {plot_over!r}: set 'names' or 'parameters'")
    if gpus < 1:
        raise ValueError(f'--gpus is {gpus}: set 1 or more. Without a GPU, 1 uses the CPU')
    name = Path(path).stem
    folder = Path(work_dir or Path('work_dirs/sweeps', name)).resolve()
    planned = [_stage(path, given) for given in cfg['stages']]
    points = {}
    for point, options in cfg['points'].items():
        if not re.fullmatch(r'\w[\w.+-]*', point):
            raise ValueError(f'the point {point!r} names a folder: use letters, digits and _.+-')
        configs = _configs(path, point, options.pop('configs', None), planned, stages)
        both = sorted(set(options) & set(cfg_options or ()))
        if both:
            raise ValueError(
                f'--cfg-options sets {both} for every point, and {path} sets it for the point '
                f'{point}. Remove it from --cfg-options'
            )
        options = {**options, **(cfg_options or {})}
        runs: list[Run] = []
        for stage, config in zip(planned, configs):
            previous = runs[-1] if runs else None
            work = folder / point / Path(config).stem
            if any(run.folder == work for run in runs):
                raise ValueError(
                    f'two stages of the point {point} would share the folder {work.name}: '
                    'give their configs different names'
                )
            processes = stage.gpus or gpus
            run = Run(point, stage, config, options, work, processes, Path(trainer), previous)
            run.command(start=folder)  # raises before anything runs if an option is impossible
            runs.append(run)
        points[point] = runs
    return Sweep(name, cfg.get('label', 'point'), plot_over, folder, planned, points)


def _stage(path, given):
    known = [field.name for field in fields(Stage)]
    if 'metric' not in given or not set(given) <= set(known):
        raise ValueError(
            f'a stage of {path} has {list(given)}: a metric is wanted, and the keys are {known}'
        )
    return Stage(**given)


def _configs(path, point, own, planned, replacements):
    """Return the configs of a point: the replacements, its own, or those of the stages."""
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


def _cfg_options(options):
    """Return the arguments that set the options."""
    texts = [f'{key}={_text(value)}' for key, value in options.items()]
    for text, (key, value) in zip(texts, options.items()):
        if command_line('').parse_args(['', '--cfg-options', text]).cfg_options != {key: value}:
            raise ValueError(
                f'--cfg-options cannot set {key} to {value!r}: it knows numbers, '
                'True, False, None, lists, tuples, and strings without white space'
            )
    return ['--cfg-options', *texts] if texts else []


def _text(value):
    if isinstance(value, (list, tuple)):
        left, right = '[]' if isinstance(value, list) else '()'
        return left + ','.join(map(_text, value)) + right
    return str(value)
