"""Read and complete configs of MMSegmentation, MMPretrain and other MMEngine packages."""

import argparse
import os
import re
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict, DictAction
from mmengine.device import get_device
from mmengine.logging import print_log

from ..command_line import Parser, config_argument
from ..registry import type_name
from ..tasks import Task, task_of
from ..tasks.dataset_configs import nested_datasets
from .safety.settings import check_options


def command_line(description: str | None, example: str = '') -> Parser:
    """Return a parser with the arguments that train.py and test.py share, named as OpenMMLab's."""
    parser = Parser(description, example)
    add = parser.add_argument
    add('config', type=config_argument, help='config file, or the name of a config')
    work_dir = 'folder for logs and checkpoints (default: work_dirs/<name of the config>)'
    add('--work-dir', help=work_dir)
    add_cfg_options(parser)
    add('--no-pin-memory', action='store_true', help='do not pin memory in data loaders')
    restart = 'restart the workers of data loaders every epoch'
    add('--no-persistent-workers', action='store_true', help=restart)
    launchers = ('none', 'pytorch', 'slurm', 'mpi')
    add('--launcher', choices=launchers, default='none', help='job launcher')
    # torch.distributed.launch passes this option; torchrun sets LOCAL_RANK instead.
    add('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    return parser


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options`` to a parser."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        type=_key_value,
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that replace those of the config, as in model.backbone.drop_rate=0.1 or '
        'key="[a,b]" (quoted, without white space)',
    )


def _key_value(text):
    if '=' not in text:  # MMEngine's DictAction would fail without naming the text
        raise argparse.ArgumentTypeError(f'{text!r} is not of the form KEY=VALUE')
    return text


def load_config(args: argparse.Namespace) -> Config:
    """Read and :func:`complete` the config, from the parsed arguments of :func:`command_line`."""
    rank = dict(pytorch='RANK', slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')
    if args.launcher in rank and rank[args.launcher] not in os.environ:
        raise ValueError(
            f'--launcher {args.launcher} is for processes that its launcher starts: '
            f'{rank[args.launcher]} is not set. Use tools/dist_train.sh, or leave out --launcher'
        )
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = read_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    if args.work_dir:
        cfg.work_dir = args.work_dir
    complete(cfg, not args.no_pin_memory, not args.no_persistent_workers)
    return cfg


def read_config(path: str, options: dict[str, Any] | None = None) -> Config:
    """Read a config file and apply the settings of ``--cfg-options``, by their dotted keys.

    The option ``data_root`` also changes the datasets that had the old ``data_root``. A new
    ``mixer.type`` also removes the arguments of the old mixer.
    """
    cfg = Config.fromfile(path)
    options = options or {}
    before = cfg.get('data_root')
    _remove_replaced_mixers(cfg, options)
    if 'data_preprocessor' in cfg.get('model', {}):
        # Also set the options in the copy that the model has of the top-level data_preprocessor.
        copies = {key: value for key, value in options.items() if key.startswith('data_preproc')}
        options = {**{f'model.{key}': value for key, value in copies.items()}, **options}
    check_options(cfg, options)
    cfg.merge_from_dict(options)
    if 'data_root' in options:
        for loader in _loaders(cfg):
            for dataset in nested_datasets(loader.dataset):
                if dataset.get('data_root') == before:
                    dataset.data_root = cfg.data_root
    return cfg


def complete(cfg: Config, pin_memory: bool = True, persistent_workers: bool = True) -> None:
    """Complete a config for a Runner.

    Set defaults: launcher 'none', work dir ``work_dirs/<name of the config>``, collate functions.
    Turn on pinned memory (not on a CPU) and persistent workers, unless config or arguments say no.
    """
    cfg.setdefault('launcher', 'none')
    if not cfg.get('work_dir'):
        cfg.work_dir = str(Path('work_dirs', Path(cfg.filename or 'config').stem))
    collate = task_of(cfg, default=Task()).collate(cfg)
    for loader in _loaders(cfg):
        loader.setdefault('collate_fn', dict(type=collate))
        wanted = persistent_workers and loader.get('persistent_workers', True)
        loader.persistent_workers = wanted and loader.get('num_workers', 0) > 0
        loader.pin_memory = pin_memory and get_device() != 'cpu' and loader.get('pin_memory', True)


def use_amp(cfg: Config) -> None:
    """Turn on mixed precision: float16 with loss scaling, or bfloat16 on a CPU.

    Raises:
        ValueError: If the config has an optimiser wrapper of another type.
    """
    kind = type_name(cfg.optim_wrapper.get('type', 'OptimWrapper'))
    if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise ValueError(
            f'--amp replaces OptimWrapper, but optim_wrapper.type is {kind!r}. '
            'Leave out --amp, or set optim_wrapper.type=OptimWrapper'
        )
    if get_device() == 'cpu':
        cfg.optim_wrapper.type = 'afno_mm.CPUAmpOptimWrapper'
        for key in ('loss_scale', 'dtype', 'use_fsdp'):
            cfg.optim_wrapper.pop(key, None)
    else:
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def check_schedule(cfg: Config) -> None:
    """Refuse an epoch that never ends, and a learning rate schedule that does not fit the training.

    Raises:
        ValueError: In these cases. The message names the settings to change.
    """
    sampler = (cfg.get('train_dataloader') or {}).get('sampler') or {}
    if 'max_epochs' in cfg.train_cfg and type_name(sampler.get('type', '')) == 'InfiniteSampler':
        raise ValueError(
            'train_cfg counts epochs, and with an InfiniteSampler the first one never ends. Set '
            'train_dataloader.sampler.type=DefaultSampler, or let train_cfg count iterations'
        )
    schedules = cfg.get('param_scheduler') or []
    for number, schedule in enumerate(schedules if isinstance(schedules, list) else [schedules]):
        kind, by_epoch = type_name(schedule.get('type', '')), schedule.get('by_epoch', True)
        unit = 'epochs' if by_epoch else 'iters'
        begin, end = schedule.get('begin', 0), cfg.train_cfg.get(f'max_{unit}')
        if end and begin >= end:
            raise ValueError(
                f'training ends after {end} {unit}, and param_scheduler.{number} ({kind}) begins '
                f'after {begin}. Raise train_cfg.max_{unit}, '
                f'or lower param_scheduler.{number}.begin, and the end of what goes before it'
            )
        converted = schedule.get('convert_to_iter_based') and 'end' in schedule
        needs_epochs = by_epoch and not converted and 'Plateau' not in kind
        if kind and needs_epochs and 'max_iters' in cfg.train_cfg:
            raise ValueError(
                f'train_cfg counts iterations, and param_scheduler.{number} ({kind}) epochs, which '
                f'do not end then. Set param_scheduler.{number}.by_epoch=False, with begin and end '
                'in iterations, and without convert_to_iter_based'
            )


def _loaders(cfg: Config) -> list[ConfigDict]:
    loaders = (cfg.get(f'{split}_dataloader') for split in ('train', 'val', 'test'))
    return [loader for loader in loaders if loader]


def _remove_replaced_mixers(cfg: Config, options: dict[str, Any]) -> None:
    """Empty each mixer's dict whose ``type`` an option changes, to drop the old arguments."""
    for key, kind in options.items():
        match = re.fullmatch(r'(.*)\.(mixer|(?<=\.mixer\.)\d+)\.type', key)
        if not match:
            continue
        path: str = match[1]
        name: Any = match[2]
        holder: Any = cfg
        for part in path.split('.'):
            holder = holder.get(part) or {}
        if name != 'mixer':
            name = int(name)
            if not isinstance(holder, (list, tuple)):
                raise ValueError(
                    f'{key}={kind}: {path} is not a list with an entry for each '
                    f'stage. Set {path}.type, or write the list into a config'
                )
            if name >= len(holder):
                raise IndexError(f'{key}={kind}: {path} has {len(holder)} entries')
        old = holder[name] if isinstance(holder, (list, tuple)) else holder.get(name)
        if isinstance(old, dict) and _names(old.get('type', '')) == _names(kind):
            continue
        if old is not None:
            print_log(f'{key}={kind} replaces {old}', 'current')
        if holder:
            holder[name] = {}


def _names(kind):
    """Return the bare name of a mixer's type, or of the type of each stage."""
    return [type_name(one) for one in kind] if isinstance(kind, list) else type_name(kind)
