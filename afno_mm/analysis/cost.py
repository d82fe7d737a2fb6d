"""Count the multiply-accumulates (MACs) of a forward pass without computing it."""

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
FUSED_ATTENTION = {
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
    and convolutions). Norms, activations, shrinkage, resizing and other elementwise operations
    are not counted.
    """

    parameters: int
    total: float  # MACs of the model
    mixers: Counter
    mixer: str  # type or types of the mixers


def model_cost(cfg: Config, size: tuple[int, int]) -> Cost:
    """Return the cost of a config's model for one image of size ``(H, W)``.

    A complex FFT of n values counts as ``5 n log2(n)`` operations, a real one as half of that, and
    two operations are one MAC. A complex matrix product counts as four real ones. AFNO is counted
    with its composed backend.
    """
    model = build_model(cfg, size, 'meta').eval()
    # Enable gradients: PyTorch then runs attention by operators that the counter knows.
    with (
        use_backend('composed'),
        torch.enable_grad(),
        FlopCounterMode(display=False, custom_mapping=FORMULAS) as counter,
    ):
        task_of(cfg).forward(model, torch.empty(1, 3, *size, device='meta'))
    counts = counter.get_flop_counts()
    mixers: Any = Counter()
    for name in filter(_is_mixer, counts):
        flops, bias = counts[name], counts.get(f'{name}.bias', {})
        mixers['bias'] += sum(bias.values()) / 2
        for operator, count in flops.items():
            kind = 'products'
            if operator in TRANSFORMS:
                kind = 'transforms'
            # Without a softmax, bmm is not attention: it multiplies blocks or modes, or resizes.
            elif operator in FUSED_ATTENTION or (
                operator == aten.bmm and SOFTMAX.keys() & flops.keys()
            ):
                kind = 'attention'
            mixers[kind] += (count - bias.get(operator, 0)) / 2
    types = {type(module).__name__ for name, module in model.named_modules() if _is_mixer(name)}
    return Cost(
        parameters=sum(p.numel() for p in model.parameters()),
        total=sum(counts['Global'].values()) / 2,
        mixers=+mixers,
        mixer=', '.join(sorted(types)),
    )


def _is_mixer(name: str) -> bool:
    # The blocks of all backbones have their attention or mixer under this name.
    return name.endswith('.attn') and '.attn.' not in name


def _given_tensors(formula: Callable) -> Callable:
    """Make FlopCounterMode pass tensors to a formula, not their shapes."""
    formula._get_raw = True  # type: ignore[attr-defined]
    return formula


@_given_tensors
def _transform(x, dim, *args, out_val, **kwargs):
    """Count the operations of FFTs over axes ``dim``. A real input or output halves the count."""
    real = [tensor for tensor in (x, out_val) if not tensor.is_complex()]
    shape, operations = (real[0].shape, 2.5) if real else (x.shape, 5)
    return operations * math.prod(shape) * sum(math.log2(shape[d]) for d in dim)


def _complex_as_four_real(operator: Any) -> Callable:
    count_real = flop_registry[operator]

    @_given_tensors
    def count(*args, out_val, **kwargs):
        return count_real(*args, out_val=out_val, **kwargs) * (4 if out_val.is_complex() else 1)

    return count


TRANSFORMS = dict.fromkeys((aten._fft_r2c, aten._fft_c2r, aten._fft_c2c), _transform)
PRODUCTS = (aten.mm, aten.addmm, aten.bmm, aten.baddbmm)
SOFTMAX = dict.fromkeys((aten._softmax, aten._safe_softmax), lambda *_, **__: 0)
FORMULAS = TRANSFORMS | SOFTMAX | {name: _complex_as_four_real(name) for name in PRODUCTS}


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
    cost = model_cost(cfg, size)
    total, decoder = cost.total, cfg.model.get('decode_head', {})
    if decoder.get('type') == 'afno_mm.SegformerHead':
        # MMSegmentation's decoder fuses all scales at the size of the first one.
        tokens = [math.prod(math.ceil(n / stride) for n in size) for stride in (4, 8, 16, 32)]
        total += decoder.channels**2 * sum(tokens[0] - n for n in tokens)
    mixers = cost.mixers
    left_out = {
        'ESA': 0,
        'EfficientMultiheadAttention': 0,
        'LS': 0,
        'SA': 0 if hierarchical else mixers['attention'] / 2,
        'GFN': mixers.total(),
        'AFNO': mixers.total() - mixers['products'] / (4 if hierarchical else 1),
    }
    return total - left_out[cost.mixer] if cost.mixer in left_out else None
