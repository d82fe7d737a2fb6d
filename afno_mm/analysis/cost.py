"""Count the multiply-accumulates (MACs) of a forward pass without computing it."""

import copy
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import Config
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from ..engine.model import build_model
from ..ops import use_backend
from ..registry import type_name
from ..tasks import task_of

aten = torch.ops.aten
# Kinds of work. Nothing else is counted: no norms, activations, shrinkage, resizing or other
# elementwise operations.
TRANSFORMS, ATTENTION, BIAS, PRODUCTS = 'transforms', 'attention', 'bias', 'products'
ATTENTION_OPERATORS = {
    aten.bmm,
    aten._scaled_dot_product_flash_attention_for_cpu,
    aten._scaled_dot_product_flash_attention,
    aten._scaled_dot_product_efficient_attention,
    aten._scaled_dot_product_cudnn_attention,
}


@dataclass
class Cost:
    """Cost of one image.

    ``mixers`` has the MACs of all token mixers by kind of work: 'transforms' (FFTs), 'attention'
    (its two products with tokens), 'bias' (AFNO's convolution) and 'products' (all other products
    and convolutions).
    """

    parameters: int
    total: float  # MACs of the model
    mixers: Counter
    mixer: str  # type or types of the mixers


def model_cost(cfg: Config, size: tuple[int, int]) -> Cost:
    """Return the cost of a config's model for one image.

    A complex FFT of n values counts as ``5 n log2(n)`` operations, a real one as half of that, and
    two operations are one MAC. A complex matrix product counts as four real ones. AFNO is counted
    with its composed backend. ``size`` is ``(H, W)``.
    """
    model = build_model(cfg, size, 'meta').eval()
    # With gradients, PyTorch runs attention by operators that the counter knows.
    with (
        use_backend('composed'),
        torch.enable_grad(),
        FlopCounterMode(display=False, custom_mapping=FORMULAS) as counter,
    ):
        task_of(cfg).forward(model, torch.empty(1, 3, *size, device='meta'))
    counts = counter.get_flop_counts()
    mixers: Any = Counter()
    for name in filter(_is_mixer, counts):
        bias = counts.get(f'{name}.bias', {})
        mixers[BIAS] += _macs(bias)
        for operator, flops in counts[name].items():
            kind = _kind(operator, among=counts[name])
            mixers[kind] += (flops - bias.get(operator, 0)) / 2
    types = {type(module).__name__ for name, module in model.named_modules() if _is_mixer(name)}
    return Cost(
        parameters=sum(p.numel() for p in model.parameters()),
        total=_macs(counts['Global']),
        mixers=+mixers,
        mixer=', '.join(sorted(types)),
    )


def _is_mixer(name: str) -> bool:
    # The blocks of all backbones have their attention or mixer under this name.
    return name.endswith('.attn') and '.attn.' not in name


def _kind(operator: Any, among: dict) -> str:
    if operator in TRANSFORM_FORMULAS:
        return TRANSFORMS
    # bmm in a mixer with FFTs multiplies modes or resizes filters.
    is_attention = operator in ATTENTION_OPERATORS and not TRANSFORM_FORMULAS.keys() & among.keys()
    return ATTENTION if is_attention else PRODUCTS


def _macs(flops: dict[Any, int]) -> float:
    return sum(flops.values()) / 2


def _raw(count: Any) -> Any:
    """Make FlopCounterMode pass tensors to a formula, not their shapes."""
    count._get_raw = True
    return count


def _real_transform(real: Callable) -> Callable:
    """Count the operations of FFTs along the dimensions of the real tensor ``real(x, out)``."""

    @_raw
    def count(x, dim, *args, out_val=None, **kwargs):
        shape = real(x, out_val).shape
        return 2.5 * math.prod(shape) * sum(math.log2(shape[d]) for d in dim)

    return count


@_raw
def _complex_transform(x, dim, *args, out_val=None, **kwargs):
    return 5 * x.numel() * sum(math.log2(x.shape[d]) for d in dim)


def _complex_as_four_real(operator: Any) -> Callable:
    """Count an operator's complex product as four real ones."""
    count_real = flop_registry[operator]

    @_raw
    def count(*args, out_val=None, **kwargs):
        return count_real(*args, out_val=out_val, **kwargs) * (4 if out_val.is_complex() else 1)

    return count


TRANSFORM_FORMULAS = {
    aten._fft_r2c: _real_transform(lambda x, out: x),
    aten._fft_c2r: _real_transform(lambda x, out: out),
    aten._fft_c2c: _complex_transform,
}
FORMULAS = TRANSFORM_FORMULAS | {
    operator: _complex_as_four_real(operator)
    for operator in (aten.mm, aten.addmm, aten.bmm, aten.baddbmm)
}


def as_the_paper_counts(cfg: Config, size: tuple[int, int]) -> float | None:
    """Return the MACs of a config's model by the rules of the paper's tables, or None.

    The tables' 'GFLOPs' follow several rules. These were found by recomputing the tables and
    come within 0.7 % of their totals:

    * Table 4 (SegFormer): MMSegmentation's decoder. GFN's mixers do not count. Of AFNO, only the
      MLP counts, with one MAC per complex product.
    * Tables 2, 3 and 5 (ViT): GFN's mixers do not count. Of AFNO, only the MLP counts, with its
      real products. Of self-attention, one of the two products with tokens counts. Table 5
      has the numbers of models with 4 layers, although A.5 says 12.

    A model that is in no table is counted like the one with its backbone and mixer. The result is
    None for backbones and mixers that are in no table: Swin, FNO, StaticAFNO.
    """
    backbone = type_name(cfg.model.backbone.type)
    if backbone not in ('MiT', 'ViT'):
        return None
    hierarchical = backbone == 'MiT'
    head = cfg.model.get('decode_head', {})
    if head.get('type') == 'afno_mm.SegformerHead':
        cfg = copy.deepcopy(cfg)
        cfg.model.decode_head.type = 'SegformerHead'
    cost = model_cost(cfg, size)
    mixers = cost.mixers
    counted = {
        'ESA': mixers.total(),
        'EfficientMultiheadAttention': mixers.total(),
        'LS': mixers.total(),
        'SA': mixers.total() - (0 if hierarchical else mixers[ATTENTION] / 2),
        'GFN': 0,
        'AFNO': mixers[PRODUCTS] / (4 if hierarchical else 1),
    }
    if cost.mixer not in counted:
        return None
    return cost.total - mixers.total() + counted[cost.mixer]
