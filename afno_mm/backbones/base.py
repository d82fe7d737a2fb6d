"""What the backbones with a mixer slot have in common."""

import inspect
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor

from .pretrained import load_pretrained


class MixerBackbone(BaseModule):
    """A mixin before an OpenMMLab backbone.

    Pre-trained weights are loaded with every tensor accounted for. Features are a tuple, which
    MMSegmentation and MMPretrain both take. ``eval()`` returns the module.
    """

    init_cfg: Any

    def init_weights(self) -> None:
        """Run upstream's init_weights, then load the checkpoint over it.

        So tensors that the checkpoint does not hold keep their initial values. The checkpoint is
        that of ``init_cfg=dict(type='Pretrained', ...)``, with the arguments of
        :func:`.load_pretrained`; others raise TypeError. Upstream handles any other ``init_cfg``.
        """
        cfg = self.init_cfg
        if isinstance(cfg, (list, tuple)) and len(cfg) == 1:
            (cfg,) = cfg
        if not (isinstance(cfg, dict) and cfg.get('type') == 'Pretrained'):
            super().init_weights()
            return
        _, *known = inspect.signature(load_pretrained).parameters
        unknown = sorted(set(cfg) - {'type', *known})
        if unknown:
            takes = ', '.join(known)
            raise TypeError(f'init_cfg of type Pretrained takes {takes}, got {unknown}')
        self.init_cfg = None
        super().init_weights()
        self.init_cfg = cfg
        load_pretrained(self, **{key: value for key, value in cfg.items() if key != 'type'})

    def train(self, mode: bool = True) -> 'MixerBackbone':
        super().train(mode)
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map images ``(B, in_channels, H, W)`` to features ``(B, C_i, H_i, W_i)``.

        There is one feature map for each stage in ``out_indices``.
        """
        return tuple(super().forward(x))
