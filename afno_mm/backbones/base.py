"""What the backbones with a mixer slot have in common."""

import inspect
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor

from ..registry import is_mmengine
from ..weight_files import tensors_of
from .pretrained import convert, load_pretrained


class MixerBackbone(BaseModule):
    """A mixin to put before an OpenMMLab backbone class.

    It loads pre-trained weights and reports every tensor. Features are a tuple, which
    MMSegmentation and MMPretrain both take. ``train()`` and ``eval()`` return the module.
    """

    init_cfg: Any

    def convert_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Convert a whole model's checkpoint of another library to OpenMMLab's keys, in place.

        The tensors get the key 'state_dict', without the prefix of data-parallel training. Names
        of tensors stay as they are if some are of this backbone.
        """
        state = tensors_of(checkpoint)
        if any(f'backbone.{key}' in state for key in self.state_dict()):
            if not state.keys() <= checkpoint.get('state_dict', {}).keys():
                checkpoint['state_dict'] = state
            return
        converted = convert(self, state)
        if converted is not state:
            checkpoint.clear()
            checkpoint['state_dict'] = converted

    def init_weights(self) -> None:
        """Run upstream's init_weights, then load the checkpoint over it.

        So tensors that the checkpoint does not hold keep their initial values. This needs
        ``init_cfg=dict(type='Pretrained', ...)``, alone or in a list, with arguments of
        :func:`.load_pretrained`; others raise TypeError. Upstream handles any other ``init_cfg``.
        """
        given = self.init_cfg
        entries = list(given) if isinstance(given, (list, tuple)) else [given] if given else []
        pretrained = [dict(cfg) for cfg in entries if _is_pretrained(cfg.get('type'))]
        _, *known = inspect.signature(load_pretrained).parameters
        for cfg in pretrained:
            del cfg['type']
            if unknown := sorted(set(cfg) - set(known)):
                takes = ', '.join(known)
                raise TypeError(f'init_cfg of type Pretrained takes {takes}, got {unknown}')
        self.init_cfg = [cfg for cfg in entries if not _is_pretrained(cfg.get('type'))] or None
        try:
            super().init_weights()
        finally:
            self.init_cfg = given
        for cfg in pretrained:
            load_pretrained(self, **cfg)

    def train(self, mode: bool = True) -> 'MixerBackbone':
        super().train(mode)
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map images ``(B, in_channels, H, W)`` to features ``(B, C_i, H_i, W_i)``.

        There is one feature map for each stage in ``out_indices``.
        """
        return tuple(super().forward(x))


def _is_pretrained(kind):
    return is_mmengine(kind, 'Pretrained') or is_mmengine(kind, 'PretrainedInit')
