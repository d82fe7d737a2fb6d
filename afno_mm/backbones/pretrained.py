"""Load pre-trained weights into a backbone and report every tensor."""

import logging
import re
from collections import Counter
from pathlib import Path

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from ..names import first
from ..weight_files import read_weights, tensors_of
from .foreign_keys import other_architecture, to_openmmlab


def load_pretrained(
    module: nn.Module,
    checkpoint: str | Path,
    prefix: str | None = None,
    min_match: float = 0.5,
    map_location: str = 'cpu',
) -> dict[str, list[str]]:
    """Load the tensors of a checkpoint that fit a module. Report all tensors. Refuse a bad fit.

    Weights of Hugging Face, timm and the authors of SegFormer and Swin are converted, see
    :func:`.foreign_keys.to_openmmlab`.

    Args:
        checkpoint: A file, URL or folder: PyTorch's format, .safetensors, or an index of shards.
        prefix: Take only keys with this prefix and remove it. By default 'backbone.' if the
            checkpoint has such keys.
        min_match: Minimum share of the module's values that the checkpoint must fill, in [0, 1].

    Returns:
        Keys by kind: 'loaded', 'missing' (not in the checkpoint), 'mismatched' (another shape in
        the checkpoint) and 'unused' (not in the module).

    Raises:
        FileNotFoundError: If there is no such file. The message says how to get one.
        CheckpointError: If the file is damaged, or holds more than tensors, numbers and text.
        ValueError: If the checkpoint fills less than ``min_match`` of the values, or has another
            number of blocks and ``min_match`` is above 0.
    """
    if '://' not in str(checkpoint) and not Path(checkpoint).expanduser().exists():
        raise FileNotFoundError(_how_to_get(checkpoint))
    content = read_weights(checkpoint, map_location)
    group = content.get((prefix or '').removesuffix('.')) if isinstance(content, dict) else None
    if isinstance(group, dict):  # The prefix names a group of the file, such as 'teacher'.
        content, prefix = group, None
    found = all_tensors = tensors_of(content)
    prefix = (prefix or '').removeprefix('module.')
    if prefix:
        found = _below(found, prefix if prefix.endswith('.') else f'{prefix}.')
    converted = convert(module, found)
    if min_match > 0 and (other := other_architecture(found)):
        raise ValueError(
            f'{checkpoint} holds {other[0]}: it has {other[1]}, which {type(module).__name__} does '
            'not compute. Use weights of the same architecture, or set init_cfg.min_match=0'
        )
    if converted is not found or not prefix:
        is_whole = any(k.startswith('backbone.') for k in converted)
        found = _below(converted, 'backbone.') if is_whole else converted
    run_load_hooks(module, found)
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
            summary += f'\n  {len(keys)} {kind}: {first(keys, 6)}'
    if share < min_match:
        summary += (
            f'\nAt least {min_match:.0%} were wanted. Use weights of a {name} with the '
            'same widths and mixer, set init_cfg.prefix to the part of the checkpoint that '
            'holds it, or lower init_cfg.min_match if this is intended. Its keys begin with '
            f'{_beginnings(content, all_tensors)}.'
        )
        raise ValueError(summary)
    theirs, ours = _depths(found), _depths(wanted)
    if min_match > 0 and theirs and ours and theirs != ours:
        raise ValueError(
            f'{summary}\nThe checkpoint has {theirs} blocks in its stages, and this {name} has '
            f'{ours}. Give it these numbers, or load the blocks of both by init_cfg.min_match=0'
        )
    with torch.no_grad():
        module.load_state_dict(fitting, strict=False)
    level = logging.INFO if len(report['loaded']) == len(wanted | found) else logging.WARNING
    print_log(summary, logger='current', level=level)
    return report


def convert(module: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convert weights of other libraries to the keys of a whole model with this backbone.

    Unknown weights are returned as they are. Converted weights also get the backbone's own
    ``relative_position_index`` tables, which are buffers and not weights.
    """
    converted = to_openmmlab(state)
    if converted is not state:
        for name, table in module.named_buffers():
            if name.endswith('relative_position_index'):
                converted.setdefault(f'backbone.{name}', table)
    return converted


def _beginnings(content, tensors):
    """Return the first parts of the keys, and the names of groups of tensors, as text."""
    groups = [key for key, value in content.items() if isinstance(value, dict)]
    return ', '.join(sorted({*groups, *(key.split('.')[0] for key in tensors)})[:10]) or 'nothing'


def _below(state, prefix):
    return {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}


def _depths(keys):
    """Return the number of blocks of each stage."""
    pattern = r'(stages\.\d+\.blocks|layers\.\d+\.1|layers)\.\d+\.(?:ln|norm)1\.weight'
    stages = Counter(match[1] for key in keys if (match := re.fullmatch(pattern, key)))
    return [count for _, count in sorted(stages.items())]


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


def run_load_hooks(module: nn.Module, state: dict[str, Tensor]) -> None:
    """Run the pre-hooks of load_state_dict. They convert keys and shapes before a comparison."""
    for name, part in module.named_modules(remove_duplicate=False):
        for hook in part._load_state_dict_pre_hooks.values():
            hook(state, name and f'{name}.', {}, True, [], [], [])
