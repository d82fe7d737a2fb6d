"""Refuse models that need mmcv's custom operators or MMDetection if these are not installed.

pip builds mmcv without its custom operators, and installs MMSegmentation without MMDetection. A few
heads need one of them. Without this check they fail with obscure errors, some at the first step.
"""

from inspect import getmro, isclass

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import MODELS, DefaultScope

from ..plain import is_installed
from ..registry import type_name
from .safety.known_keys import find_class, places

OPS = 'the custom operators of mmcv'
MMDET = 'MMDetection'
# Type of a part -> what it needs. Subclasses need the same.
NEEDS = {
    'CCHead': (OPS,),
    'PSAHead': (OPS,),
    'PointHead': (OPS,),
    'SideAdapterCLIPHead': (OPS,),
    'Mask2FormerHead': (OPS, MMDET),
    'MaskFormerHead': (MMDET,),
    'MultiScaleDeformableAttention': (OPS,),
    **dict.fromkeys(('DCN', 'DCNv2', 'carafe'), (OPS,)),
}
ADVICE = """pip builds mmcv without its custom operators. MMCV offers builds with them for some
versions of torch and CUDA: pip install onedl-mim && mim install onedl-mmcv
--only-binary=onedl-mmcv. (Not tested with afno_mm.)
These heads need nothing more: afno_mm.SegformerHead, FCNHead, UPerHead, FPNHead with the neck FPN,
PSPHead, DepthwiseSeparableASPPHead. docs/backbones.md lists all that were tried with AFNO"""


class MissingPartsError(RuntimeError):
    """A model has parts that need packages or operators that are not installed."""


def has_custom_ops() -> bool:
    """Return whether mmcv was built with its custom operators."""
    return is_installed('mmcv._ext')


def check_custom_ops(cfg: Config) -> None:
    """Raise MissingPartsError for parts of ``cfg.model`` that cannot work in this environment."""
    found = {OPS: has_custom_ops(), MMDET: is_installed('mmdet')}
    missing = [part for part, is_there in found.items() if not is_there]
    needs = NEEDS if get_device() == 'cpu' else {**NEEDS, 'FocalLoss': (OPS,)}
    lines = []
    for place in places(cfg) if missing else ():
        named = place.node.get('type')
        if not place.path.startswith('model') or not named or isinstance(named, list):
            continue  # A list has a mixer's type for each stage. No mixer needs these parts.
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'mmengine'):
            kind = find_class(named, (MODELS,))
        classes = getmro(kind) if isclass(kind) else ()
        names = [type_name(named), *(each.__name__ for each in classes)]
        wanted = next((needs[name] for name in names if name in needs), ())
        lacking = ' and '.join(part for part in wanted if part in missing)
        if lacking:
            lines.append(f'{place.path}: {names[0]} needs {lacking}')
    if lines:
        raise MissingPartsError(
            '\n* '.join(['parts of the model need what is not installed:', *lines]) + f'\n{ADVICE}'
        )
