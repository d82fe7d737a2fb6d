"""Command line -> config -> Runner, for MMSegmentation's and MMPretrain's configs alike."""

import argparse
import os
import os.path as osp

from mmengine.config import Config, DictAction
from mmengine.device import get_device
from mmengine.dist import is_distributed
from mmengine.logging import print_log
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from torch import distributed

from .cpu_memory import keep_freed_memory

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def command_line(description):
    """A parser with the arguments that all tools share, named as OpenMMLab's."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--work-dir',
        help='folder for logs and checkpoints (default: work_dirs/<name of the config>)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that replace those of the config, as in model.backbone.drop_rate=0.1 or '
        'key="[a,b]" (quoted, without white space)',
    )
    parser.add_argument(
        '--no-pin-memory', action='store_true', help='do not pin memory in data loaders'
    )
    parser.add_argument(
        '--no-persistent-workers',
        action='store_true',
        help='restart the workers of data loaders every epoch',
    )
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none', help='job launcher')
    # torch.distributed.launch passes it; torchrun sets the environment variable.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    return parser


def load_config(args):
    """The config that a command line of :func:`command_line` asks for.

    Args:
        args (argparse.Namespace): The parsed arguments.

    Returns:
        Config: With ``cfg_options``, ``launcher``, ``work_dir`` and loader defaults set.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = read_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    name = osp.splitext(osp.basename(args.config))[0]
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or osp.join('work_dirs', name)
    for field in LOADERS:
        if cfg.get(field):
            _complete_loader(cfg[field], cfg, args)
    return cfg


def read_config(path, options=None):
    """A config file with the settings of ``--cfg-options``, wherever they have to reach.

    Args:
        path (str): The file.
        options (dict, optional): Settings by their dotted keys.

    Returns:
        Config
    """
    cfg = Config.fromfile(path)
    options = options or {}
    before = cfg.get('data_root')
    _make_way_for_mixers(cfg, options)
    cfg.merge_from_dict(options)
    if 'data_root' in options:
        # A config copies its data_root into the data sets before options are merged.
        for field in LOADERS:
            for dataset in _data_sets(cfg[field].dataset) if cfg.get(field) else ():
                if dataset.get('data_root') == before:
                    dataset.data_root = cfg.data_root
    return cfg


def _data_sets(cfg):
    """A data set's config and those that it wraps."""
    yield cfg
    for wrapped in (cfg.get('dataset'), *cfg.get('datasets', ())):
        if wrapped:
            yield from _data_sets(wrapped)


def _make_way_for_mixers(cfg, options):
    """``mixer.type=GFN`` replaces the config's AFNO, or list, together with its arguments."""
    for key, kind in options.items():
        path = key.split('.')
        if path[-2:] == ['mixer', 'type']:
            path, name = path[:-2], 'mixer'
        elif path[-3:-2] == ['mixer'] and path[-2].isdigit() and path[-1] == 'type':
            path, name = path[:-2], int(path[-2])
        else:
            continue
        holder = cfg
        for part in path:
            holder = holder.get(part) or {}
        if isinstance(name, int) and not isinstance(holder, list):
            raise ValueError(
                f'{key}={kind}: {".".join(path)} is not a list with an entry for each '
                f'stage. Set {".".join(path)}.type, or write the list into a config'
            )
        if isinstance(holder, list) and name >= len(holder):
            raise IndexError(f'{key}={kind}: {".".join(path)} has {len(holder)} entries')
        old = holder[name] if isinstance(holder, list) else holder.get(name)
        if isinstance(old, dict) and type_name(old.get('type', '')) == type_name(kind):
            continue
        if old is not None:
            print_log(f'{key}={kind} replaces {old}')
        if holder:
            holder[name] = {}


def _complete_loader(loader, cfg, args):
    if cfg.get('default_scope') == 'mmpretrain':
        # MMPretrain's models need stacked inputs, and its configs leave this to its tools.
        loader.setdefault('collate_fn', dict(type='default_collate'))
    workers = loader.get('num_workers', 0) > 0
    loader.persistent_workers = (
        workers and loader.get('persistent_workers', True) and not args.no_persistent_workers
    )
    loader.pin_memory = (
        get_device() != 'cpu' and loader.get('pin_memory', True) and not args.no_pin_memory
    )


def type_name(kind):
    """Bare name of a config's ``type``: a name, a name with a scope, or a class."""
    return (kind if isinstance(kind, str) else kind.__name__).split('.')[-1]


def use_amp(cfg):
    """Turn on mixed precision: float16 with loss scaling, or bfloat16 on a CPU.

    Args:
        cfg (Config): Changed in place.

    Raises:
        ValueError: If the config's optimiser wrapper is one of its own.
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


def check_schedule(cfg):
    """Refuse a training that ends before a part of its learning rate schedule begins.

    Args:
        cfg (Config): Of a training.

    Raises:
        ValueError: If it does; says which settings make the schedule shorter.
    """
    schedules = cfg.get('param_scheduler') or []
    for number, schedule in enumerate(schedules if isinstance(schedules, list) else [schedules]):
        unit = 'epochs' if schedule.get('by_epoch', True) else 'iters'
        begin, end = schedule.get('begin', 0), cfg.train_cfg.get(f'max_{unit}')
        if end and begin >= end:
            raise ValueError(
                f'training ends after {end} {unit}, and param_scheduler.{number} '
                f'({type_name(schedule.type)}) begins after {begin}. Raise train_cfg.max_{unit}, '
                f'or lower param_scheduler.{number}.begin, and the end of what goes before it'
            )


def build_runner(cfg):
    """The Runner of a config.

    Without an accelerator, a distributed one runs over gloo, and freed memory is kept.
    """
    if get_device() == 'cpu':
        keep_freed_memory()
        if cfg.launcher != 'none':
            _distribute_over_cpus(cfg)
    return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)


def _distribute_over_cpus(cfg):
    if cfg.launcher != 'pytorch':
        raise ValueError(
            f'no accelerator was found, and without one only --launcher pytorch '
            f'works, not {cfg.launcher}. tools/dist_train.sh starts it'
        )
    # MMEngine's own initialisation selects a CUDA device.
    if not is_distributed():
        distributed.init_process_group('gloo')
    cfg.model_wrapper_cfg = dict(
        type='afno_mm.CPUDistributedDataParallel',
        device_ids=None,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
