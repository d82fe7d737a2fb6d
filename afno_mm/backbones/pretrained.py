"""Load pre-trained weights into a backbone, with every tensor accounted for."""

import logging
from pathlib import Path

import torch
from mmengine.logging import print_log
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn


def load_pretrained(
    module: nn.Module,
    checkpoint: str | Path,
    prefix: str | None = None,
    min_match: float = 0.5,
    map_location: str = 'cpu',
) -> dict[str, list[str]]:
    """Load the tensors of a checkpoint that fit a module, report them, refuse a bad fit.

    Args:
        checkpoint: A file or URL, as MMEngine's checkpoint loader takes.
        prefix: Take only keys with this prefix and remove it. By default 'backbone.' if the
            checkpoint is one of a whole model.
        min_match: Least share of the module's values that the checkpoint must fill, in [0, 1].

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
    shapes = {k: (tuple(found[k].shape), tuple(wanted[k].shape)) for k in wanted if k in found}
    fitting = {k: found[k] for k, (has, wants) in shapes.items() if has == wants}
    report = dict(
        loaded=list(fitting),
        missing=[k for k in wanted if k not in found],
        mismatched=[f'{k} {has} for {wants}' for k, (has, wants) in shapes.items() if has != wants],
        unused=[k for k in found if k not in wanted],
    )

    name = type(module).__name__
    loaded, total = (sum(t.numel() for t in tensors.values()) for tensors in (fitting, wanted))
    share = loaded / max(total, 1)
    summary = (
        f'{checkpoint}: {len(fitting)} of {len(wanted)} tensors of {name} loaded, '
        f'{share:.1%} of its values'
    )
    for kind in ('missing', 'mismatched', 'unused'):
        if keys := report[kind]:
            dots = ', ...' if len(keys) > 6 else ''
            summary += f'\n  {len(keys)} {kind}: {", ".join(keys[:6])}{dots}'
    if share < min_match:
        summary += (
            f'\nAt least {min_match:.0%} were wanted. Use weights of a {name} with the '
            'same widths and mixer, set init_cfg.prefix to the part of the checkpoint that '
            'holds it, or lower init_cfg.min_match if this is intended.'
        )
        if 'patch_embed1.proj.weight' in found:
            summary += (
                '\nThese are the keys of the SegFormer authors. Convert them with '
                "MMSegmentation's tools/model_converters/mit2mmseg.py"
            )
        raise ValueError(summary)
    with torch.no_grad():
        module.load_state_dict(fitting, strict=False)
    level = logging.WARNING if report['missing'] or report['mismatched'] else logging.INFO
    print_log(summary, logger='current', level=level)
    return report


def _how_to_get(checkpoint: str | Path) -> str:
    config = Path('configs', f'{Path(checkpoint).parent.name}.py')
    command = f'\n  python tools/train.py {config}     makes them'
    return (
        # Work directories are named after configs.
        f'there are no pre-trained weights {checkpoint}{command if config.is_file() else ""}\n'
        '  model.backbone.init_cfg.checkpoint=FILE     takes those that you have\n'
        '  model.backbone.init_cfg=None     trains from random weights\n'
        'The last two follow --cfg-options.'
    )


def _convert(module: nn.Module, state: dict[str, Tensor], prefix: str = '') -> None:
    """Run the hooks that convert keys and shapes at loading, so that shapes can be compared."""
    for hook in list(module._load_state_dict_pre_hooks.values()):
        hook(state, prefix, {}, True, [], [], [])
    for name, child in module.named_children():
        _convert(child, state, f'{prefix}{name}.')
