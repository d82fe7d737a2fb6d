"""What a forward pass costs in multiply-accumulates (MACs), counted without computing it."""

import copy
import math
from collections import Counter
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from ..engine.one_step import build_model
from ..engine.runner import type_name
from ..ops import use_backend

aten = torch.ops.aten
# Kinds of work. What is in none of them is left out: norms, activations, shrinkage, resizing, and
# all else that works on single values.
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
    """Of one image.

    Attributes:
        parameters (int): Of the model.
        total (float): MACs of the model.
        mixers (Counter[str, float]): MACs of all token mixers by the kind of work: 'transforms'
            (FFTs), 'attention' (its two products with tokens), 'bias' (AFNO's convolution) and
            'products' (all other products and convolutions).
        mixer (str): Type of the mixers, or types.
    """

    parameters: int
    total: float
    mixers: Counter
    mixer: str


def model_cost(cfg, size):
    """The cost of a config's model on an image.

    A fast Fourier transform of n complex values is taken to have ``5 n log2(n)`` operations, of
    real ones half as many, and two operations are a MAC; a complex product of matrices has four
    real ones. AFNO is counted as its reference path computes it.

    Args:
        cfg (Config): Of segmentation, classification or inpainting.
        size (tuple[int, int]): ``(H, W)`` of the image.

    Returns:
        Cost
    """
    model = build_model(cfg, size, 'meta').eval()
    run = model.reconstruct if hasattr(model, 'reconstruct') else model
    # Without gradients PyTorch's attention would be one operator that nothing is known of.
    with (
        use_backend('composed'),
        torch.enable_grad(),
        FlopCounterMode(display=False, custom_mapping=FORMULAS) as counter,
    ):
        run(torch.empty(1, 3, *size, device='meta'))
    counts = counter.get_flop_counts()
    mixers = Counter()
    for name in filter(_is_mixer, counts):
        bias = counts.get(f'{name}.bias', {})
        mixers[BIAS] += _macs(bias)
        for operator, flops in counts[name].items():
            kind = _kind(operator, among=counts[name])
            mixers[kind] += (flops - bias.get(operator, 0)) / 2
    types = {type(module).__name__ for name, module in model.named_modules() if _is_mixer(name)}
    return Cost(
        sum(p.numel() for p in model.parameters()),
        _macs(counts['Global']),
        +mixers,
        ', '.join(sorted(types)),
    )


def _is_mixer(name):
    # Where the blocks of all backbones have their attention or mixer.
    return name.endswith('.attn') and '.attn.' not in name


def _kind(operator, among):
    if operator in TRANSFORM_FORMULAS:
        return TRANSFORMS
    # Mixers that transform have no attention; they multiply modes, or resize filters.
    is_attention = operator in ATTENTION_OPERATORS and not TRANSFORM_FORMULAS.keys() & among.keys()
    return ATTENTION if is_attention else PRODUCTS


def _macs(flops):
    return sum(flops.values()) / 2


def _real_transform(real):
    """Operations of real transforms along dimensions of a tensor ``real``, one after the other."""

    def count(x, dim, *args, out_val=None, **kwargs):
        shape = real(x, out_val).shape
        return 2.5 * math.prod(shape) * sum(math.log2(shape[d]) for d in dim)

    count._get_raw = True
    return count


def _complex_transform(x, dim, *args, out_val=None, **kwargs):
    return 5 * x.numel() * sum(math.log2(x.shape[d]) for d in dim)


def _complex_as_four_real(operator):
    count_real = flop_registry[operator]

    def count(*args, out_val=None, **kwargs):
        return count_real(*args, out_val=out_val, **kwargs) * (4 if out_val.is_complex() else 1)

    count._get_raw = True
    return count


_complex_transform._get_raw = True
TRANSFORM_FORMULAS = {
    aten._fft_r2c: _real_transform(lambda x, out: x),
    aten._fft_c2r: _real_transform(lambda x, out: out),
    aten._fft_c2c: _complex_transform,
}
FORMULAS = TRANSFORM_FORMULAS | {
    operator: _complex_as_four_real(operator)
    for operator in (aten.mm, aten.addmm, aten.bmm, aten.baddbmm)
}


def as_the_paper_counts(cfg, size):
    """The MACs that the paper's tables would give for a config's model, in their own ways.

    No one way of counting leads to all of its 'GFLOPs'. These, found by recomputing them, come
    within 0.7 % of its totals:

    * Table 4 (SegFormer): MMSegmentation's decoder. GFN's mixers are left out of the total. Of
      AFNO's only the MLP counts, a complex product as one MAC.
    * Tables 2, 3 and 5 (ViT): of AFNO only the MLP, with its real products, of self-attention one
      of the two products with tokens, of GFN nothing. Table 5 has the numbers of models of 4
      layers, and A.5 has 12.

    A model that is in no table is counted as the one of its backbone and mixer that is.

    Returns:
        float | None: None for backbones and mixers that no table counts: Swin, FNO, StaticAFNO.
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
