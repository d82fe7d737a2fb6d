"""Convert public weights of other libraries to the keys and shapes of OpenMMLab.

Hugging Face, timm and the authors of SegFormer and Swin name the same tensors differently. The
names are facts from Hugging Face's conversion scripts (Apache-2.0), from timm, and from
MMSegmentation's ``tools/model_converters``.
"""

import re
from collections.abc import Callable
from math import isqrt
from typing import NamedTuple

import torch
from torch import Tensor

State = dict[str, Tensor]

# The parts of a block by their names in other libraries. Hugging Face's models since version 5 use
# other names than its files.
PARTS = {
    'norm1': r'norm1|layernorm_before|layer_norm_1',
    'norm2': r'norm2|layernorm_after|layer_norm_2',
    'qkv': r'attn\.qkv',
    'q': r'attn\.q|attention\.(?:self|attention)\.query|attention\.q_proj',
    'k': r'attention\.(?:self|attention)\.key|attention\.k_proj',
    'v': r'attention\.(?:self|attention)\.value|attention\.v_proj',
    'kv': r'attn\.kv',
    'proj': r'attn\.proj|attention\.output\.dense|attention\.o_proj',
    'sr': r'attn\.sr|attention\.self\.sr|attention\.sequence_reduction\.sequence_reduction',
    'sr_norm': r'attn\.norm|attention\.(?:self|sequence_reduction)\.layer_norm',
    'table': r'(?:attn|attention\.\w+)\.relative_position_bias_table',
    'fc1': r'mlp\.(?:fc|dense)1|intermediate\.dense',
    'depthwise': r'mlp\.dwconv\.dwconv',
    'fc2': r'mlp\.(?:fc|dense)2|output\.dense',
    'scale1': r'ls1\.gamma|layer_scale1\.lambda1',
    'scale2': r'ls2\.gamma|layer_scale2\.lambda1',
}
PART = re.compile('|'.join(f'(?P<{part}>{names})' for part, names in PARTS.items()))
# Parts that OpenMMLab stores in one tensor, and their order in it.
ORDER = {'q': 0, 'k': 1, 'kv': 1, 'v': 2}
# From the names in other libraries to OpenMMLab's names.
PATCHES = r'patch_embed\.proj|embeddings\.patch_embeddings\.projection'
MIT_PATCHES = r'(?:encoder\.patch_embeddings\.|stages\.|patch_embed)(\d+)(?:\.patch_embeddings)?\.'
MIT_BLOCKS = r'(?:encoder\.block\.|stages\.|block)(\d+)(?:\.blocks)?\.(\d+)\.(?P<part>.+)'
MIT = {
    MIT_BLOCKS: 'layers.{}.1.{}.',
    r'(?:encoder\.layer_norm\.|stages\.|norm)(\d+)(?:\.layer_norm)?': 'layers.{}.2.',
    MIT_PATCHES + 'proj': 'layers.{}.0.projection.',
    MIT_PATCHES + '(?:layer_)?norm': 'layers.{}.0.norm.',
}
MIT_PARTS = dict(norm1='norm1.', norm2='norm2.', sr='attn.sr.', sr_norm='attn.norm.')
MIT_PARTS |= dict(qkv='attn.attn.in_proj_', proj='attn.attn.out_proj.')
MIT_PARTS |= dict(fc1='ffn.layers.0.', depthwise='ffn.layers.1.', fc2='ffn.layers.4.')
SWIN = {
    r'(?:encoder\.)?layers\.(\d+)\.blocks\.(\d+)\.(?P<part>.+)': 'stages.{}.blocks.{}.',
    r'(?:encoder\.)?layers\.(\d+)\.(downsample\.(?:norm|reduction))': 'stages.{}.{}.',
    PATCHES: 'patch_embed.projection.',
    r'patch_embed\.norm|embeddings\.norm': 'patch_embed.norm.',
    r'norm|layernorm': 'norm.',
}
SWIN_PARTS = dict(norm1='norm1.', norm2='norm2.', fc1='ffn.layers.0.0.', fc2='ffn.layers.1.')
SWIN_PARTS |= dict(qkv='attn.w_msa.qkv.', proj='attn.w_msa.proj.')
SWIN_PARTS |= dict(table='attn.w_msa.relative_position_bias_table')
VIT = {
    r'(?:encoder\.layer|layers|blocks)\.(\d+)\.(?P<part>.+)': 'layers.{}.',
    PATCHES: 'patch_embed.projection.',
    r'(?:embeddings\.)?cls_token': 'cls_token',
    r'pos_embed|embeddings\.position_embeddings': 'pos_embed',
    r'norm_pre': 'pre_norm.',
    r'norm|layernorm': 'ln1.',
    r'fc_norm': 'ln2.',
}
VIT_PARTS = dict(norm1='ln1.', norm2='ln2.', fc1='ffn.layers.0.0.', fc2='ffn.layers.1.')
VIT_PARTS |= dict(qkv='attn.qkv.', proj='attn.proj.')
VIT_PARTS |= dict(scale1='attn.gamma1.weight', scale2='ffn.gamma2.weight')
BATCH_NORM_EPS = 1e-5


class Family(NamedTuple):
    """A family of models: how to convert its names to OpenMMLab's."""

    first: str  # pattern of the first tensor's name; text before it is the prefix of all names
    block: str  # OpenMMLab's name of a tensor in a block
    places: dict[str, str]
    parts: dict[str, str]
    head: str  # OpenMMLab's name of a classifier's last layer
    finish: Callable[[State, State], None]  # converts shapes, given the original state too


def _finish_mit(state, original):
    for key in state:
        if re.search(r'ffn\.layers\.[04]\.weight', key) and state[key].ndim == 2:
            state[key] = state[key][..., None, None]  # a convolution with kernel 1


def _finish_swin(state, original):
    last = max(int(key.split('.')[1]) for key in state if key.startswith('stages.'))
    # timm puts a patch merging in the stage after it, all others in the stage before it.
    shift = not any('layers.0.downsample' in key for key in original)
    for key, value in {k: state.pop(k) for k in list(state) if '.downsample.' in k}.items():
        _, stage, rest = key.split('.', 2)
        # Reorder the inputs from 2 x 2 patches: (column, row, channel) to (channel, row, column).
        value = value.unflatten(-1, (2, 2, -1)).transpose(-1, -3).flatten(-3)
        state[f'stages.{int(stage) - shift}.{rest}'] = value
    for kind in ('weight', 'bias'):
        if f'norm.{kind}' in state:
            state[f'norm{last}.{kind}'] = state.pop(f'norm.{kind}')


def _finish_vit(state, original):
    positions = state.get('pos_embed')
    if positions is None:
        return
    if any(re.search(r'(?:^|\.)dist(?:illation)?_token$', key) for key in original):
        positions = torch.cat([positions[:, :1], positions[:, 2:]], 1)
    elif 'cls_token' in state and isqrt(positions.shape[1]) ** 2 == positions.shape[1]:
        # This model has no position embedding for its class token: insert zeros.
        positions = torch.cat([torch.zeros_like(positions[:, :1]), positions], 1)
    state['pos_embed'] = positions


FIRST_OF_MIT = r'encoder\.patch_embeddings\.0\.proj|stages\.0\.patch_embeddings\.proj'
FIRST_OF_MIT += r'|patch_embed1\.proj'
FAMILIES = (
    Family(FIRST_OF_MIT, 'layers.0.1.0.norm1.weight', MIT, MIT_PARTS, 'head.fc.', _finish_mit),
    Family(PATCHES, 'stages.0.blocks.0.norm1.weight', SWIN, SWIN_PARTS, 'head.fc.', _finish_swin),
    Family(PATCHES, 'layers.0.ln1.weight', VIT, VIT_PARTS, 'head.layers.head.', _finish_vit),
)


# Tensors of architectures that are related to ours and compute something else.
OTHER_ARCHITECTURES = {
    r'attn\.(?:logit_scale|cpb_mlp\..+)': 'a Swin V2',
    r'attn\.[qk]_norm\.weight': 'a ViT that normalises queries and keys',
    r'reg_token|embeddings\.register_tokens': 'a ViT with register tokens',
    r'attn\.q_bias': 'a BEiT or Swin V2',
}


def other_architecture(state: State) -> tuple[str, str] | None:
    """Return a related architecture that is not supported, and a key that shows it, or None."""
    for pattern, name in OTHER_ARCHITECTURES.items():
        for key in state:
            if re.search(rf'(?:^|\.)(?:{pattern})$', key):
                return name, key
    return None


def to_openmmlab(state: State) -> State:
    """Convert weights of Hugging Face, timm or the authors to the keys of a whole OpenMMLab model.

    The keys of the encoder become 'backbone.*', named as in MMPretrain's ViT and Swin or
    MMSegmentation's MiT. Those of the last layer of a classifier become 'head.*', and those of
    SegFormer's decoder 'decode_head.*'. Keys without a counterpart keep their names, but
    'backbone.' replaces the encoder's own prefix. Weights of any other origin are returned as they
    are.

    Raises:
        ValueError: If there are several encoders.
    """
    found = _recognise(state)
    if found is None:
        return state
    family, before = found
    others: State = {}
    own: State = {}
    head: State = {}
    pieces: dict[str, dict[int, Tensor]] = {}
    for key, value in state.items():
        name = key.removeprefix(before)
        target, order = _own_name(family, key, before)
        if last := re.fullmatch(r'(?:classifier|head(?:\.fc)?)\.(weight|bias)', name):
            head[family.head + last[1]] = value
        elif order is not None:
            pieces.setdefault(target, {})[order] = value
        elif target:
            own[target] = value
        else:
            others[f'backbone.{name}' if key.startswith(before) else key] = value
    for target, parts in pieces.items():
        own[target] = torch.cat([parts[order] for order in sorted(parts)])
    family.finish(own, state)
    if family is FAMILIES[0]:
        head |= _decoder(others, own)
    return {**others, **{f'backbone.{key}': value for key, value in own.items()}, **head}


def _recognise(state):
    """Return the family and the prefix of the encoder's keys, or None for unknown weights."""
    for family in FAMILIES:
        first = (re.fullmatch(rf'(|.*\.)(?:{family.first})\.weight', key) for key in state)
        before = {
            match[1]
            for match in first
            if match and any(_own_name(family, k, match[1])[0] == family.block for k in state)
        }
        if len(before) > 1:
            raise ValueError(
                f'the checkpoint holds {len(before)} models. Set init_cfg.prefix to one of '
                f'{sorted(before)}'
            )
        if before:
            return family, before.pop()
    return None


def _own_name(family, key, before):
    """Return OpenMMLab's name of a tensor ('' for none), and for q, k and v its place in qkv."""
    stem, _, kind = key.removeprefix(before).rpartition('.')
    if kind not in ('weight', 'bias'):
        stem, kind = key.removeprefix(before), ''
    matches = ((re.fullmatch(place, stem), target) for place, target in family.places.items())
    match, target = next((pair for pair in matches if pair[0]), (None, ''))
    if not match or not key.startswith(before):
        return '', None
    numbers, order = list(match.groups()), None
    if re.match(r'(?:block|patch_embed|norm)\d', stem):  # the authors count stages from 1
        numbers[0] = int(numbers[0]) - 1
    target = target.format(*numbers)
    if 'part' in match.groupdict():
        part = PART.fullmatch(match['part'])
        name = part.lastgroup if part else ''
        order = ORDER.get(name)
        if (own := family.parts.get(name if order is None else 'qkv')) is None:
            return '', None
        target += own
    return (target + kind, order) if target.endswith(('.', '_')) == bool(kind) else ('', None)


def _decoder(others, own):
    """Take SegFormer's decoder out of ``others`` and return it with OpenMMLab's keys.

    OpenMMLab's decoder has a batch norm and a ReLU after the linear map of each scale. The original
    decoder has neither. So the norm gets statistics and a bias that keep its result positive: then
    the ReLU changes nothing. The norm after the fusion subtracts this bias. The bound holds for any
    image: with |n| <= sqrt(C) after the encoder's layer norm, a row w of the map gives
    |w . (gamma n)| <= sqrt(C) |w gamma|.
    """
    maps, rest = {}, {}
    for key in list(others):
        name, _, kind = key.rpartition('.')
        if match := re.search(r'\blinear_(?:c|projections)(\.?)(\d)\.proj$', name):
            scale = int(match[2]) - (not match[1])  # the authors count from 1
            maps[scale, kind] = others.pop(key).double().flatten(1 if kind == 'weight' else 0)
        elif re.search(r'\blinear_fuse(?:\.conv)?$', name):
            rest['fusion_conv.conv.weight'] = others.pop(key)
        elif re.search(r'\blinear_fuse\.bn$|\bdecode_head\.batch_norm$', name):
            rest[f'fusion_conv.bn.{kind}'] = others.pop(key)
        elif re.search(r'\blinear_pred$|\bdecode_head\.classifier$', name):
            rest[f'conv_seg.{kind}'] = others.pop(key)
    if not maps:
        return {}
    # The original stacks the scales from the last to the first.
    parts = rest['fusion_conv.conv.weight'].chunk(len(maps) // 2, 1)[::-1]
    rest['fusion_conv.conv.weight'] = torch.cat(parts, 1)
    mean = rest['fusion_conv.bn.running_mean']
    for scale, part in enumerate(parts):
        weight, bias = maps[scale, 'weight'], maps[scale, 'bias']
        gamma, beta = (own[f'layers.{scale}.2.{kind}'].double() for kind in ('weight', 'bias'))
        centre = weight @ beta
        variance = ((weight * gamma).square().sum(1) - BATCH_NORM_EPS).clamp(min=0)
        deviation = (variance + BATCH_NORM_EPS).sqrt()
        added = deviation * len(gamma) ** 0.5 - centre - bias
        mean = mean + part.flatten(1).double() @ added
        norm = dict(weight=deviation, bias=deviation * len(gamma) ** 0.5, running_mean=centre)
        norm |= dict(running_var=variance, num_batches_tracked=torch.tensor(0))
        rest[f'convs.{scale}.conv.weight'] = weight[..., None, None]
        rest |= {f'convs.{scale}.bn.{name}': value for name, value in norm.items()}
    rest['fusion_conv.bn.running_mean'] = mean
    return {f'decode_head.{key}': value for key, value in rest.items()}
