"""Load pre-trained weights into a backbone, with every tensor accounted for."""

import inspect
import logging
from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

MIN_MATCH = 0.5


def init_with_pretrained(module: BaseModule, init_weights: Callable[[], None]) -> None:
    """Run the backbone's own init_weights, then load the checkpoint over it.

    So tensors that the checkpoint does not hold keep their initial values.

    Args:
        module: The backbone. Its ``init_cfg`` is ``dict(type='Pretrained', ...)`` with the
            arguments of :func:`load_pretrained`; other values are left to ``init_weights``.
        init_weights: The backbone's own method. It runs with ``init_cfg=None``.

    Raises:
        TypeError: If ``init_cfg`` has an unknown argument.
    """
    cfg = module.init_cfg
    if isinstance(cfg, (list, tuple)) and len(cfg) == 1:
        (cfg,) = cfg
    if not (isinstance(cfg, dict) and cfg.get('type') == 'Pretrained'):
        init_weights()
        return
    arguments = {key: value for key, value in cfg.items() if key != 'type'}
    unknown = set(arguments) - set(inspect.signature(load_pretrained).parameters)
    if unknown:
        raise TypeError(
            f'init_cfg of type Pretrained takes checkpoint, prefix, min_match and '
            f'map_location, got {sorted(unknown)}'
        )
    module.init_cfg = None
    init_weights()
    module.init_cfg = cfg
    load_pretrained(module, **arguments)


def load_pretrained(
    module: nn.Module,
    checkpoint: str | Path,
    prefix: str | None = None,
    min_match: float = MIN_MATCH,
    map_location: str = 'cpu',
) -> dict[str, list[str]]:
    """Load the tensors of a checkpoint that fit a module, report them, refuse a bad fit.

    Args:
        module: The module to load into.
        checkpoint: A file or URL, as MMEngine's checkpoint loader takes.
        prefix: Take only keys with this prefix, and remove it and the dot after it. By default
            'backbone.' if the checkpoint is one of a whole model.
        min_match: Least share of the module's values that the checkpoint must fill, in [0, 1].
        map_location: As in :func:`torch.load`.

    Returns:
        Keys by kind: 'loaded', 'missing' (not in the checkpoint), 'mismatched' (another shape in
        the checkpoint) and 'unused' (not in the module).

    Raises:
        FileNotFoundError: If there is no such file. The message says how to get one.
        ValueError: If the checkpoint fills less than ``min_match`` of the values.
    """
    if '://' not in str(checkpoint) and not Path(checkpoint).expanduser().is_file():
        raise FileNotFoundError(_how_to_get(checkpoint))
    state = CheckpointLoader.load_checkpoint(checkpoint, map_location=map_location)
    for key in ('state_dict', 'model'):
        state = state.get(key, state)
    state = {k.removeprefix('module.'): v for k, v in state.items()}
    if prefix is None:
        prefix = 'backbone.' if any(k.startswith('backbone.') for k in state) else ''
    if prefix and not prefix.endswith('.'):
        prefix += '.'
    found = {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
    _convert(module, found)
    wanted = module.state_dict()
    fitting = {k: found[k] for k in wanted if k in found and found[k].shape == wanted[k].shape}
    other = [k for k in wanted if k in found and k not in fitting]
    report = dict(
        loaded=list(fitting),
        missing=[k for k in wanted if k not in found],
        mismatched=[f'{k} {tuple(found[k].shape)} for {tuple(wanted[k].shape)}' for k in other],
        unused=[k for k in found if k not in wanted],
    )

    name = type(module).__name__
    share = _count(fitting) / max(_count(wanted), 1)
    summary = (
        f'{checkpoint}: {len(fitting)} of {len(wanted)} tensors of {name} loaded, '
        f'{share:.1%} of its values'
    )
    for kind in ('missing', 'mismatched', 'unused'):
        if report[kind]:
            summary += f'\n  {len(report[kind])} {kind}: {_first(report[kind])}'
    if share < min_match:
        hint = ''
        if 'patch_embed1.proj.weight' in found:
            hint = (
                '\nThese are the keys of the SegFormer authors. Convert them with '
                "MMSegmentation's tools/model_converters/mit2mmseg.py"
            )
        raise ValueError(
            f'{summary}\nAt least {min_match:.0%} were wanted. Use weights of a {name} with the '
            'same widths and mixer, set init_cfg.prefix to the part of the checkpoint that '
            f'holds it, or lower init_cfg.min_match if this is intended.{hint}'
        )
    with torch.no_grad():
        module.load_state_dict(fitting, strict=False)
    level = logging.WARNING if report['missing'] or report['mismatched'] else logging.INFO
    print_log(summary, logger='current', level=level)
    return report


def _how_to_get(checkpoint: str | Path) -> str:
    lines = [f'there are no pre-trained weights {checkpoint}']
    config = Path('configs', f'{Path(checkpoint).parent.name}.py')
    if config.is_file():  # Work directories are named after configs.
        lines.append(f'  python tools/train.py {config}     makes them')
    lines += [
        '  model.backbone.init_cfg.checkpoint=FILE     takes those that you have',
        '  model.backbone.init_cfg=None     trains from random weights',
        'The last two follow --cfg-options.',
    ]
    return '\n'.join(lines)


def _convert(module: nn.Module, state: dict[str, Tensor], prefix: str = '') -> None:
    """Run the hooks that convert keys and shapes at loading, so that shapes can be compared."""
    for hook in list(module._load_state_dict_pre_hooks.values()):
        hook(state, prefix, {}, True, [], [], [])
    for name, child in module.named_children():
        _convert(child, state, f'{prefix}{name}.')


def _count(tensors: dict[str, Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors.values())


def _first(names: list[str], most: int = 6) -> str:
    return ', '.join(names[:most]) + (', ...' if len(names) > most else '')
