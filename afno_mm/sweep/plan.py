"""What to run: the points and stages of a sweep, and the command of each training."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..engine.config import add_cfg_options, command_line, load_config


@dataclass(frozen=True)
class Stage:
    """One training at every point.

    ``start_from`` is the checkpoint of the previous stage to start the backbone from: 'last', or
    'best' by the previous stage's metric, which ``CheckpointHook.save_best`` keeps.
    """

    metric: str  # name of the validation metric to collect, as in vis_data/scalars.json
    config: str | None = None  # relative to the sweep's file; optional if every point has its own
    collect: str = 'last'  # which value to collect: 'last', or 'best' of all validations
    rule: str = 'greater'  # whether 'greater' or 'less' is better
    start_from: str = 'last'
    gpus: int | None = None  # number of processes; by default the sweep's number
    others: Sequence[str] = ()  # more metrics of the same validation

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
    """One training: a stage of a sweep at one of its points, in its own folder."""

    point: str
    stage: Stage
    config_file: str
    options: dict[str, Any]  # settings of this point, by dotted keys
    folder: Path  # the work dir
    gpus: int  # number of processes
    trainer: Path  # tools/train.py
    previous: 'Run | None' = None  # the run of the previous stage
    seed: int | None = None  # None: the seed of the config

    @property
    def log(self) -> Path:
        return self.folder.with_name(self.folder.name + '.log')

    def __str__(self) -> str:
        parent = self.folder.parent.name
        return f'{self.point}: {f"{parent}/" if parent != self.point else ""}{self.folder.name}'

    def with_options(self, options: Mapping[str, Any]) -> 'Run':
        """Return a copy of this run, and of its previous runs, with more options."""
        previous = self.previous and self.previous.with_options(options)
        return replace(self, options={**self.options, **options}, previous=previous)

    @cached_property
    def config(self) -> Config:
        """The config with this point's options, but without the checkpoint to start from."""
        arguments = [self.config_file, *_cfg_options(self.options)]
        return load_config(command_line('').parse_args(arguments))

    def command(self, start: str | Path | None = None) -> list[str]:
        """Return the command that starts or resumes the run. ``start`` holds backbone weights."""
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
class Tune:
    """A setting whose value each point chooses by trials: runs of the first stage with one seed."""

    key: str  # dotted, as in --cfg-options
    values: Sequence[Any]
    seed: int  # none of the sweep's own seeds: the choice must not favour a seed that counts


@dataclass(frozen=True)
class Sweep:
    """A grid of trainings."""

    name: str
    label: str  # what differs between the points: 'mixer'
    plot_over: str  # the x axis of the plot: 'names', 'parameters' or 'numbers'
    folder: Path  # trainings and results
    stages: list[Stage]
    seeds: list[int] | list[None]  # all points share them
    points: dict[str, list[Run]]  # by name: one run for each stage, seed after seed
    # Pairs of points by question, fixed before the results.
    comparisons: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    note: str = ''  # stands above the results
    tune: Tune | None = None
    # By name of the point: one run for each value of `tune`, and the best of these values.
    trials: dict[str, list[Run]] = field(default_factory=dict)
    chosen: dict[str, Any] = field(default_factory=dict)

    def runs(self, name: str) -> list[Run]:
        """Return the trials of a point and then its other runs."""
        return self.trials.get(name, []) + self.points[name]

    def waits(self, run: Run) -> bool:
        """Return True if a run must wait until the trials of its point have finished."""
        tune = self.tune
        return tune is not None and run.point not in self.chosen and run.seed != tune.seed


def _cfg_options(options):
    """Return the ``--cfg-options`` arguments that set the options."""
    texts = [f'{key}={_text(value)}' for key, value in options.items()]
    parser = argparse.ArgumentParser()
    add_cfg_options(parser)
    for text, (key, value) in zip(texts, options.items()):
        if parser.parse_args(['--cfg-options', text]).cfg_options != {key: value}:
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
