"""What to run: the points and stages of a sweep, and the command of each training."""

import os.path as osp
import re
import sys
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

from mmengine.config import Config

from ..engine.config import command_line, load_config


@dataclass(frozen=True)
class Stage:
    """One training of every point.

    Args:
        metric (str): What to collect from its validations, as ``vis_data/scalars.json`` names it.
        config (str, optional): Its config, relative to the sweep's file. Not needed where every
            point has its own.
        collect (str): 'last' value of the training or 'best' of all its validations.
        rule (str): 'greater' or 'less' is better.
        start_from (str): 'last' or 'best' checkpoint of the stage before, whose backbone this
            one starts with. 'best' is that of its metric, kept by ``CheckpointHook.save_best``.
        gpus (int, optional): Its own number of processes, whatever the sweep's.
    """

    metric: str
    config: str | None = None
    collect: str = 'last'
    rule: str = 'greater'
    start_from: str = 'last'
    gpus: int | None = None

    def __post_init__(self):
        for name, allowed in dict(
            collect=('last', 'best'), rule=('greater', 'less'), start_from=('last', 'best')
        ).items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f'{name} of the stage of {self.metric} is '
                    f'{getattr(self, name)!r}: set one of {allowed}'
                )


@dataclass(frozen=True)
class Run:
    """A stage at a point: one training, in a folder of its own.

    ``previous`` is the run of the stage before, None for the first; ``trainer`` is the path of
    ``tools/train.py``.
    """

    point: str
    stage: Stage
    options: dict
    folder: Path
    gpus: int
    trainer: Path
    previous: 'Run | None' = None

    @property
    def log(self):
        return self.folder.with_name(self.folder.name + '.log')

    def __str__(self):
        return f'{self.point}: {self.folder.name}'

    @cached_property
    def config(self):
        """The config with this point's options, but without the checkpoint to start from."""
        arguments = [self.stage.config, *_cfg_options(self.options)]
        return load_config(command_line('').parse_args(arguments))

    def command(self, start=None):
        """The command line of this training, which continues it if it has begun.

        Args:
            start (Path, optional): Checkpoint of the stage before.
        """
        launch = [sys.executable]
        if self.gpus > 1:
            launch += [
                '-m',
                'torch.distributed.run',
                '--standalone',
                f'--nproc_per_node={self.gpus}',
            ]
        launch += [self.trainer, self.stage.config]
        if self.gpus > 1:
            launch += ['--launcher', 'pytorch']
        options = dict(self.options)
        if start:
            options['model.backbone.init_cfg.type'] = 'Pretrained'
            options['model.backbone.init_cfg.checkpoint'] = str(start)
        return [
            *map(str, launch),
            '--work-dir',
            str(self.folder),
            '--resume',
            *_cfg_options(options),
        ]


@dataclass(frozen=True)
class Sweep:
    """``points`` has the runs of each point by its name, one for each of ``stages``.

    ``label`` says what the names are values of, ``plot_over`` what the plot has on its axis.
    """

    name: str
    label: str
    plot_over: str
    folder: Path
    stages: list
    points: dict


def load_sweep(path, trainer, work_dir=None, stages=None, cfg_options=None, gpus=1):
    """Read a sweep's config, whose settings are

    * ``points``, a dict from names to options that are set together. A point may have
      ``configs`` of its own among them, one for each stage;
    * ``stages``, a list of arguments of :class:`Stage`, trained one after the other;
    * ``label`` (optional), what the points' names are values of;
    * ``plot_over`` (optional), 'names' or 'parameters': in the latter case points whose names
      are alike up to the last '-' are joined.

    Args:
        path (str): The config.
        trainer (str): Path of ``tools/train.py``.
        work_dir (str, optional): ``work_dirs/sweeps/<name of the config>`` by default.
        stages (list[str], optional): Configs in place of the stages' own.
        cfg_options (dict, optional): More options, for every training.
        gpus (int): Processes of one training.

    Returns:
        Sweep: Nothing has been run or written.

    Raises:
        ValueError: If the config is not such a sweep.
    """
    cfg = Config.fromfile(path).to_dict()
    name = osp.splitext(osp.basename(path))[0]
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
        raise ValueError(f'--gpus is {gpus}: give at least 1, which is a CPU where there is no GPU')
    here = osp.dirname(path)
    planned = [_stage(path, given) for given in cfg['stages']]
    folder = Path(work_dir or osp.join('work_dirs', 'sweeps', name)).resolve()
    points = {}
    for point, options in cfg['points'].items():
        if not re.fullmatch(r'\w[\w.+-]*', point):
            raise ValueError(f'the point {point!r} names a folder: use letters, digits and _.+-')
        own = options.pop('configs', None)
        if own and stages:
            raise ValueError(
                f'--stages would replace the configs in which the points of {path} '
                'differ. Leave it out'
            )
        twice = sorted(set(options) & set(cfg_options or ()))
        if twice:
            raise ValueError(
                f'--cfg-options would set {twice} alike at every point, and {path} '
                f'sets it for the point {point}. Leave it out'
            )
        given = own or [stage.config for stage in planned]
        if None in given and not stages:
            raise ValueError(
                f'the point {point} of {path} has no configs, and neither have all stages a config'
            )
        configs = stages or [osp.normpath(osp.join(here, config)) for config in given]
        if len(configs) != len(planned):
            raise ValueError(
                f'{len(configs)} configs ({", ".join(configs)}) for the '
                f'{len(planned)} stages of {path}'
            )
        points[point] = _runs(
            planned,
            configs,
            point,
            folder / point,
            trainer,
            gpus,
            {**options, **(cfg_options or {})},
        )
    return Sweep(name, cfg.get('label', 'point'), plot_over, folder, planned, points)


def _stage(path, given):
    known = [field.name for field in fields(Stage)]
    unknown = sorted(set(given) - set(known))
    if unknown or 'metric' not in given:
        raise ValueError(
            f'a stage of {path} has {list(given)}: a metric is wanted, and the keys are {known}'
        )
    return Stage(**given)


def _runs(stages, configs, point, folder, trainer, gpus, options):
    runs = []
    for stage, config in zip(stages, configs):
        if not osp.isfile(config):
            raise ValueError(f'the point {point} needs {config}, and there is no such file')
        stem = osp.splitext(osp.basename(config))[0]
        if any(run.folder.name == stem for run in runs):
            raise ValueError(
                f'two stages of the point {point} would share the folder {stem}: '
                'give their configs different names'
            )
        stage = replace(stage, config=config)
        previous = runs[-1] if runs else None
        runs.append(
            Run(point, stage, options, folder / stem, stage.gpus or gpus, Path(trainer), previous)
        )
        runs[-1].command(start=folder)  # raises before anything runs, not at this point's turn
    return runs


def _cfg_options(options):
    return ['--cfg-options', *map(_option, options.items())] if options else []


def _option(item):
    """``key=value`` as ``--cfg-options`` reads it back."""
    key, value = item
    text = f'{key}={_text(value)}'
    if command_line('').parse_args(['', '--cfg-options', text]).cfg_options != {key: value}:
        raise ValueError(
            f'--cfg-options cannot say that {key} is {value!r}: it knows numbers, '
            'True, False, None, lists, tuples, and strings without white space'
        )
    return text


def _text(value):
    if isinstance(value, (list, tuple)):
        left, right = '[]' if isinstance(value, list) else '()'
        return left + ','.join(map(_text, value)) + right
    return str(value)
