"""Pre-trained weights for a backbone, with every tensor accounted for."""

import inspect
import logging
from pathlib import Path

import torch
from mmengine.logging import print_log
from mmengine.runner.checkpoint import CheckpointLoader

MIN_MATCH = 0.5


def init_with_pretrained(module, init_weights):
    """Initialise a backbone; ``init_cfg=dict(type='Pretrained', ...)`` on top of its own way.

    What a checkpoint does not hold keeps the initial value that it would have without one.

    Args:
        module (BaseModule): The backbone.
        init_weights (callable): Its own ``init_weights``, used with ``init_cfg=None``.
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


def load_pretrained(module, checkpoint, prefix=None, min_match=MIN_MATCH, map_location='cpu'):
    """Load the tensors of a checkpoint that fit a module, report them, refuse a bad fit.

    Args:
        module (nn.Module): What to load into.
        checkpoint (str): A file or URL, as MMEngine's checkpoint loader takes.
        prefix (str, optional): Only keys that start so are taken, the prefix and the dot after it
            removed. By default 'backbone.' where the checkpoint is one of a whole model.
        min_match (float): Least share of the module's values to find, in [0, 1].
        map_location (str): As in :func:`torch.load`.

    Returns:
        dict[str, list[str]]: Keys 'loaded', 'missing' (not in the checkpoint),
        'mismatched' (there in another shape) and 'unused' (in the checkpoint only).

    Raises:
        FileNotFoundError: If there is no such file; says what makes it.
        ValueError: If fewer values fit than ``min_match`` asks for.
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
    report = dict(
        loaded=list(fitting),
        missing=[k for k in wanted if k not in found],
        mismatched=[
            f'{k} {tuple(found[k].shape)} for {tuple(wanted[k].shape)}'
            for k in wanted
            if k in found and k not in fitting
        ],
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
            f'holds it, or lower init_cfg.min_match if this is meant.{hint}'
        )
    with torch.no_grad():
        module.load_state_dict(fitting, strict=False)
    level = logging.WARNING if report['missing'] or report['mismatched'] else logging.INFO
    print_log(summary, logger='current', level=level)
    return report


def _how_to_get(checkpoint):
    lines = [f'there are no pre-trained weights {checkpoint}']
    config = Path('configs', f'{Path(checkpoint).parent.name}.py')
    if config.is_file():  # work dirs are named after configs
        lines.append(f'  python tools/train.py {config}     makes them')
    lines += [
        '  model.backbone.init_cfg.checkpoint=FILE     takes those that you have',
        '  model.backbone.init_cfg=None     trains from random weights',
        'The last two follow --cfg-options.',
    ]
    return '\n'.join(lines)


def _convert(module, state, prefix=''):
    """Let the module convert keys and shapes as it will when loading, so that they compare."""
    hooks = list(module._load_state_dict_pre_hooks.values())
    for hook in hooks:
        hook(state, prefix, {}, True, [], [], [])
    for name, child in module.named_children():
        _convert(child, state, f'{prefix}{name}.')


def _count(tensors):
    return sum(tensor.numel() for tensor in tensors.values())


def _first(names, most=6):
    return ', '.join(names[:most]) + (', ...' if len(names) > most else '')
