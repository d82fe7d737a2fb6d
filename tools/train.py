"""Train the model of a config of MMSegmentation, MMPretrain or this package."""

import argparse
import contextlib

import afno_mm  # noqa: F401  reports a broken environment before anything else fails
from afno_mm.engine import (
    ValidateResumedHook,
    build_runner,
    check_schedule,
    command_line,
    load_config,
    use_amp,
)
from afno_mm.engine.safety import check_work_dir, is_on, newest_checkpoint, only_one
from afno_mm.registry import type_name
from mmengine.config import Config


def parse_args() -> argparse.Namespace:
    example = 'afno-mm train segformer_afno_b0_scenes --work-dir work_dirs/first'
    parser = command_line(__doc__, example)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='resume from a checkpoint; without a path, from the newest whole one in the work dir',
    )
    parser.add_argument('--amp', action='store_true', help='use mixed precision')
    parser.add_argument(
        '--compile',
        action='store_true',
        help='compile blocks with a mixer and the losses: faster steps after a slow first one',
    )
    parser.add_argument(
        '--no-validate', action='store_true', help='do not evaluate during training'
    )
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help='scale the learning rate with the batch size'
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = load_config(args)
    guard = only_one(cfg.work_dir) if is_on(cfg, 'work_dir') else contextlib.nullcontext()
    with guard:
        train(cfg, args)


def train(cfg: Config, args: argparse.Namespace) -> None:
    check_schedule(cfg)
    if not args.resume and is_on(cfg, 'work_dir'):
        check_work_dir(cfg.work_dir)
    checkpoint = newest_checkpoint(cfg.work_dir) if args.resume == 'auto' else args.resume
    if checkpoint:  # without one, this is a first launch: keep the config's load_from
        cfg.resume, cfg.load_from = True, str(checkpoint)
    if args.compile:
        add_hook(cfg, 'CompileHook')
    if args.amp:
        use_amp(cfg)
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
        ((cfg.get('default_hooks') or {}).get('checkpoint') or {}).pop('save_best', None)
        hooks = cfg.get('custom_hooks') or []
        cfg.custom_hooks = [h for h in hooks if type_name(h['type']) != 'BestValueHook']
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise ValueError(
                '--auto-scale-lr needs the batch size that the learning rate was chosen for: '
                'set auto_scale_lr.base_batch_size in the config'
            )
        cfg.auto_scale_lr.enable = True
    runner = build_runner(cfg)
    if checkpoint and not any(isinstance(hook, ValidateResumedHook) for hook in runner.hooks):
        runner.register_hook(ValidateResumedHook())  # last, after StopSignalHook
    runner.train()


def add_hook(cfg: Config, name: str) -> None:
    """Add one of this package's hooks to a config, unless the config has it with its settings."""
    hooks = cfg.get('custom_hooks') or []
    if name not in [type_name(hook['type']) for hook in hooks]:
        cfg.custom_hooks = [*hooks, dict(type=f'afno_mm.{name}')]


if __name__ == '__main__':
    main()
