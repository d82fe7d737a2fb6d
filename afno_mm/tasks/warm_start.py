"""Warm start: put new mixers into a trained network, and fit them to its old ones without labels.

Each new mixer and the norm before it get the tokens that enter the teacher's block. They learn to
predict what the teacher's mixer adds to these tokens. All other weights are frozen: copies of the
teacher's where they fit. Fine-tuning is an ordinary training from the checkpoint.
"""

import logging
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmpretrain.models.classifiers import ImageClassifier
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn

from ..backbones.pretrained import convert
from ..names import first
from ..registry import MODELS
from ..weight_files import read_weights, tensors_of


class WarmStart(BaseModel):
    """Mixin that stands before a model class among the bases. The model is the student.

    Checkpoints hold the student alone. So they fit its ordinary config, for a test and as
    ``load_from``. The teacher is read from its file when a training begins or resumes.

    Args:
        backbone: The student's backbone, with the new mixers.
        teacher: Settings of the teacher's backbone that differ. ``mixer=None`` keeps the attention
            that public weights have. ``init_cfg=dict(type='Pretrained', checkpoint=FILE)`` names
            the weights. They must fill the teacher, unless ``init_cfg`` sets ``min_match`` below 1.
        **kwargs: All other arguments of the model class.

    Raises:
        ValueError: If the teacher has no checkpoint, the student has no mixer, a ``skip`` is not
            'double', or the blocks of student and teacher differ in number or width.
    """

    def __init__(self, *, backbone: dict, teacher: dict, **kwargs: Any) -> None:
        super().__init__(backbone=backbone, **kwargs)
        given = dict(teacher.get('init_cfg') or {})
        if given.get('type') != 'Pretrained' or not given.get('checkpoint'):
            raise ValueError(
                'a warm start needs a trained teacher: set model.teacher.init_cfg='
                f"dict(type='Pretrained', checkpoint=FILE), got {given}"
            )
        cfg = {**backbone, **teacher, 'init_cfg': {'min_match': 1.0, **given}}
        trained: Any = MODELS.build(cfg).requires_grad_(False)
        trained.eval()
        # Keep the teacher in a tuple, so that nn.Module does not register it as a submodule.
        # Optimisers, wrappers and checkpoints then contain only the student.
        self.teacher = (trained,)
        self.blocks = mixer_blocks(self.backbone)
        self._check(trained)
        self.seen: dict[str, dict] = {name: {} for name in self.blocks}
        for name in self.blocks:
            _watch(trained.get_submodule(name), self.seen[name])
        if hasattr(self.backbone, '_pass_on_grid'):  # a ViT does not pass the grid to its blocks
            trained.patch_embed.register_forward_hook(self.backbone._pass_on_grid)
        self.requires_grad_(False)
        for block in self.blocks.values():
            block.attn.requires_grad_(True)
            block.norm1.requires_grad_(True)

    def _check(self, teacher):
        widths = [_widths(network) for network in (teacher, self.backbone)]
        if widths[0] != widths[1]:
            raise ValueError(
                f'the widths of the blocks differ: {list(widths[0].values())} in the teacher, '
                f'{list(widths[1].values())} in the student. Take a student with the widths and '
                'depths of the teacher: these keys of model.backbone and model.teacher must agree'
            )
        skips = {
            block.skip
            for network in (teacher, self.backbone)
            for block in mixer_blocks(network).values()
        }
        if not self.blocks or skips != {'double'}:
            raise ValueError(
                "a warm start fits the mixers of model.backbone, and skip must be 'double': found "
                f'{len(self.blocks)} blocks with a mixer, and the skips {sorted(skips)} in student '
                'and teacher. Set model.backbone.mixer and model.backbone.skip'
            )

    def init_weights(self) -> None:
        """Load the teacher, copy all its tensors that fit into the student, and log the counts.

        Raises:
            FileNotFoundError: If the teacher's checkpoint does not exist.
            ValueError: If the checkpoint does not fill the teacher, as when the widths differ.
        """
        super().init_weights()
        (teacher,) = self.teacher
        file = teacher.init_cfg['checkpoint']
        if '://' not in str(file) and not Path(file).expanduser().exists():
            raise FileNotFoundError(
                f'there is no teacher {file}: set model.teacher.init_cfg.checkpoint=FILE, after '
                '--cfg-options, to a trained network'
            )
        teacher.init_weights()
        rest = convert(teacher, tensors_of(read_weights(file)))
        outer = (teacher.init_cfg.get('prefix') or '').removesuffix('.').removesuffix('backbone')
        rest = {k.removeprefix(outer): v for k, v in rest.items()}
        rest = {k: v for k, v in rest.items() if not k.startswith('backbone.')}
        found = rest | {f'backbone.{k}': v for k, v in teacher.state_dict().items()}
        own = self.state_dict()
        fits = {k: v for k, v in found.items() if k not in own or own[k].shape == v.shape}
        new, _ = self.load_state_dict(fits, strict=False)
        taken = [key for key in own if key not in new]
        share = sum(own[k].numel() for k in taken) / sum(t.numel() for t in own.values())
        mixers = tuple(f'backbone.{name}.attn.' for name in self.blocks)
        others = [key for key in new if not key.startswith(mixers)]
        more = f': {first(others, 6)}' if others else ''
        print_log(
            f'{file}: the student takes {len(taken)} of its {len(own)} tensors from the teacher, '
            f'{share:.1%} of the values. Its {len(mixers)} mixers and the norms before them are '
            f'fitted, {len(new) - len(others)} tensors of the mixers are new. {len(others)} other '
            f'tensors are new, and keep their initial values until fine-tuning{more}. '
            f'{len(found) - len(taken)} tensors of the teacher are not used.',
            'current',
            logging.INFO if any(k in taken for k in rest) else logging.WARNING,
        )

    def train(self, mode: bool = True) -> 'WarmStart':
        """Stay in evaluation mode: without dropout, and with fixed batch norm statistics."""
        return super().train(False)

    def loss(self, inputs: Tensor, data_samples: Any = None) -> dict[str, Tensor]:
        """Return the share of the variance that the new mixers leave unexplained.

        In a block, the teacher's mixer adds t to the tokens ``(B, N, C)``, and the student's adds
        y to the same tokens. The share is ``sum((y - t)**2) / sum((t - mean(t))**2)``, with a mean
        per channel over batch and tokens: 1 is as good as a constant. ``loss`` is the mean share
        of all blocks, ``unexplained_{stage}`` the mean share of the blocks of one stage.

        ``inputs`` are images ``(B, 3, H, W)``. Labels are not used.
        """
        (teacher,) = self.teacher
        with torch.no_grad():
            teacher.to(inputs.device)(inputs)
        stages: dict[str, list[Tensor]] = {}
        for name, block in self.blocks.items():
            seen = self.seen[name]
            wanted = (seen['after'] - seen['before']).float()  # (B, N, C)
            mixed = block.mix(block.norm1(seen['before']), seen['grid'] or block.hw_shape)
            error = (block.after_mixing(mixed).float() - wanted).square().sum()
            spread = (wanted - wanted.mean((0, 1))).square().sum()
            stage = '.'.join(name.split('.')[:2])
            stages.setdefault(stage, []).append(error / spread.clamp(min=1e-12))
            seen.clear()
        shares = [share for stage in stages.values() for share in stage]
        means = {f'unexplained_{k}': torch.stack(v).mean().detach() for k, v in stages.items()}
        return dict(loss=torch.stack(shares).mean(), **means)


def mixer_blocks(backbone: nn.Module) -> dict[str, Any]:
    """Return the blocks with a mixer, by name."""
    modules = backbone.named_modules()
    return {name: block for name, block in modules if hasattr(block, 'after_mixing')}


def _widths(backbone):
    """Return the width of each block, by name."""
    modules = backbone.named_modules()
    blocks = ((n, m) for n, m in modules if hasattr(m, 'attn') and hasattr(m, 'norm1'))
    return {name: len(block.norm1.weight) for name, block in blocks}


def _watch(block, seen):
    """Store in ``seen`` the grid, and the tokens before the mixer's norm and after its skip."""
    block.register_forward_pre_hook(
        lambda _, args: seen.update(grid=args[1] if len(args) > 1 else None)
    )
    block.norm1.register_forward_pre_hook(lambda _, args: seen.update(before=args[0]))
    block.norm2.register_forward_pre_hook(lambda _, args: seen.update(after=args[0]))


@MODELS.register_module()
class WarmStartSegmentor(WarmStart, EncoderDecoder):
    """MMSegmentation's ``EncoderDecoder`` with a :class:`WarmStart`."""


@MODELS.register_module()
class WarmStartClassifier(WarmStart, ImageClassifier):
    """MMPretrain's ``ImageClassifier`` with a :class:`WarmStart`."""


# The ordinary class of the student, by the name of the class above.
ORDINARY = dict(WarmStartSegmentor='EncoderDecoder', WarmStartClassifier='ImageClassifier')
