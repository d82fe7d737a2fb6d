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

    Args:
        metric: Name of the validation metric to collect, as in ``vis_data/scalars.json``.
        config: Its config, relative to the sweep's file. Optional if every point has its own.
        collect: Which value to collect: the 'last' one, or the 'best' of all validations.
        rule: Whether 'greater' or 'less' is better.
        start_from: Checkpoint of the previous stage to start the backbone from: 'last', or 'best'
            by that stage's metric, which ``CheckpointHook.save_best`` keeps.
        gpus: Number of processes. Default: that of the sweep.
    """

    metric: str
    config: str | None = None
    collect: str = 'last'
    rule: str = 'greater'
    start_from: str = 'last'
    gpus: int | None = None

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
        launch, launcher = [sys.executable], []
        if self.gpus > 1:
            processes = f'--nproc_per_node={self.gpus}'
            launch += ['-m', 'torch.distributed.run', '--standalone', processes]
            launcher = ['--launcher', 'pytorch']
        options = dict(self.options)
        if start:
            options['model.backbone.init_cfg.type'] = 'Pretrained'
            options['model.backbone.init_cfg.checkpoint'] = str(start)
        arguments = ['--work-dir', str(self.folder), '--resume', *_cfg_options(options)]
        return [*launch, str(self.trainer), self.config_file, *launcher, *arguments]


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

    Args:
        trainer: Path of ``tools/train.py``.
        work_dir: Folder of trainings and results. Default: ``work_dirs/sweeps/<name of config>``.
        stages: Configs that replace those of the stages.
        cfg_options: More options, for every training.
        gpus: Number of processes per training.

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
    name = osp.splitext(osp.basename(path))[0]
    folder = Path(work_dir or osp.join('work_dirs', 'sweeps', name)).resolve()
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
            run_folder = folder / point / osp.splitext(osp.basename(config))[0]
            if any(run.folder == run_folder for run in runs):
                raise ValueError(
                    f'two stages of the point {point} would share the folder {run_folder.name}: '
                    'give their configs different names'
                )
            processes = stage.gpus or gpus
            run = Run(point, stage, config, options, run_folder, processes, Path(trainer), previous)
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
    return ['--cfg-options', *map(_option, options.items())] if options else []


def _option(item):
    """Return ``key=value`` in the form that ``--cfg-options`` reads."""
    key, value = item
    text = f'{key}={_text(value)}'
    if command_line('').parse_args(['', '--cfg-options', text]).cfg_options != {key: value}:
        raise ValueError(
            f'--cfg-options cannot set {key} to {value!r}: it knows numbers, '
            'True, False, None, lists, tuples, and strings without white space'
        )
    return text


def _text(value):
    if isinstance(value, (list, tuple)):
        left, right = '[]' if isinstance(value, list) else '()'
        return left + ','.join(map(_text, value)) + right
    return str(value)
