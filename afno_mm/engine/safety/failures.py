"""Explain why a training step failed, or why weights do not fit a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ...registry import type_name
from ...weight_files import CheckpointError
from .numbers import FiniteNumbersHook

CPU_MEMORY = ("can't allocate memory", 'not enough memory')


def explained(runner: Any, error: RuntimeError, batch: Any) -> Exception:
    """Return an error that says what to change, or ``error`` itself if its cause is unknown."""
    text = str(error)
    if isinstance(error, torch.OutOfMemoryError) or any(known in text for known in CPU_MEMORY):
        return MemoryError(_memory(runner, text, batch))
    if 'error_if_nonfinite' in text:
        for hook in runner.hooks:
            if isinstance(hook, FiniteNumbersHook):
                return hook.error('the norm of the gradients is not finite')
    if type(error).__module__.startswith(('torch._dynamo', 'torch._inductor')):
        return RuntimeError(
            f'torch.compile failed: {" ".join(text.splitlines()[:2])}\nLeave out --compile, or '
            'install the compiler that is missing: apt-get install -y g++ python3-dev'
        )
    return error


def other_model(filename: str | Path, error: RuntimeError) -> CheckpointError | None:
    """Return a short error if ``error`` lists tensors that do not fit a model, or None."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if len(lines) < 2 or not ('state_dict' in lines[0] or 'state dict' in lines[0]):
        return None
    more = f'\n  and {len(lines) - 4} more lines' if len(lines) > 4 else ''
    return CheckpointError(
        f'{filename} is from another model than that of the config. Use the config that it was '
        'trained with; its work dir has a copy:\n  '
        + '\n  '.join(line[:300] for line in lines[1:4])
        + more
    )


def _memory(runner, text, batch):
    inputs = batch.get('inputs', ()) if isinstance(batch, dict) else ()
    sizes = sorted({tuple(image.shape[-2:]) for image in inputs if image.ndim > 1})
    shown = ', '.join(f'{height}x{width}' for height, width in sizes) or 'unknown size'
    backbone = runner.cfg.get('model', {}).get('backbone', {})
    mixer = backbone.get('mixer')
    every = [(one or {}).get('type') for one in (mixer if isinstance(mixer, Sequence) else [mixer])]
    every = [kind for kinds in every for kind in (kinds if isinstance(kinds, list) else [kinds])]
    kinds = dict.fromkeys(type_name(kind) if kind else "upstream's attention" for kind in every)
    return (
        f'{text.splitlines()[0]}\nThe step had {len(inputs)} images of {shown} on this process, '
        f'and the mixer {", ".join(kinds)}. These settings lower the memory of a step:\n'
        '  --cfg-options train_dataloader.batch_size=1 and more processes\n'
        '  --cfg-options model.backbone.with_cp=True     recomputes blocks in backward\n'
        '  --amp                                         half precision\n'
        '  a smaller crop: crop_size of the train_pipeline and data_preprocessor.size\n'
        '  model.backbone.mixer.mode_fraction=0.5        for AFNO\n'
        'The saved checkpoints are whole. Continue from the newest one with --resume.'
    )
