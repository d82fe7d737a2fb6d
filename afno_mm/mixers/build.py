"""Build the token mixer that a config names."""

import difflib
import inspect
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from torch import nn

from ..registry import MODELS


def build_mixer(cfg: dict, embed_dims: int, **known: Any) -> nn.Module:
    """Build the token mixer that a config names.

    Args:
        cfg: ``type`` and the mixer's own arguments. A plain ``Type`` is looked up in this package
            and in MMEngine's root registry, ``pkg.Type`` in the package ``pkg``.
        **known: More arguments that the backbone knows for the stage, such as ``grid_size``. A
            mixer that takes such an argument gets it unless ``cfg`` sets it.

    Raises:
        KeyError: If no mixer of that type is registered.
        TypeError: If the mixer does not take an argument, or needs one that is not set.
        ValueError: If ``cfg`` sets another ``embed_dims``.
    """
    arguments = dict(cfg)
    cls = find_mixer(arguments.pop('type', None))
    if arguments.setdefault('embed_dims', embed_dims) != embed_dims:
        raise ValueError(
            f'mixer.embed_dims is {arguments["embed_dims"]}, but the tokens of this '
            f'stage have {embed_dims} channels: leave it out'
        )
    accepted, takes_any = constructor_parameters(cls)
    if 'embed_dims' not in accepted and not takes_any:
        raise TypeError(
            f'{cls.__name__}.__init__ must take embed_dims, the channels of the '
            f'tokens, which the backbone passes. It takes {list(accepted)}'
        )
    for key in arguments:
        if key not in accepted and not takes_any:
            raise TypeError(
                f'{cls.__name__} takes no argument {key!r}. {_inherited(key, cls)}'
                f'{_nearest(key, accepted)}It takes {list(accepted)}'
            )
    arguments = {key: value for key, value in known.items() if key in accepted} | arguments
    missing = [k for k, p in accepted.items() if p.default is p.empty and k not in arguments]
    if missing:
        keys = ', '.join(f'mixer.{key}' for key in missing)
        raise TypeError(
            f'{cls.__name__} needs {missing}, which this backbone does not know: set {keys}'
        )
    return cls(**arguments)


def mixer_takes(cfg: dict, argument: str) -> bool:
    """Return whether the mixer that a config names takes this argument."""
    return argument in constructor_parameters(find_mixer(cfg.get('type')))[0]


def constructor_parameters(cls: type) -> tuple[dict[str, inspect.Parameter], bool]:
    """Return the named parameters of a class, and whether it takes any other (``**kwargs``)."""
    parameters = [_with_hint(cls, p) for p in inspect.signature(cls).parameters.values()]
    named = {p.name: p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    return named, any(p.kind == p.VAR_KEYWORD for p in parameters)


def _with_hint(cls, parameter):
    """Evaluate a type hint that is a string. Keep it if only type checkers know its names."""
    if not isinstance(parameter.annotation, str):
        return parameter
    try:
        known = inspect.unwrap(cls.__init__).__globals__
        return parameter.replace(annotation=eval(parameter.annotation, known))
    except Exception:
        return parameter


def find_mixer(kind: str | type | None) -> type:
    """Return the class that a ``type`` names, or raise KeyError with the registered names."""
    if isinstance(kind, type):
        return kind
    if not kind:
        raise KeyError("a mixer's config needs a type, as in dict(type='AFNO')")
    cls = MODELS.get(kind)
    if cls is None:
        raise KeyError(f'no mixer {kind!r} is registered. {_registered_names(kind)}')
    return cls


def _registered_names(kind: str) -> str:
    scope = kind.rpartition('.')[0] or MODELS.scope
    try:
        import_module(f'{scope}.registry')
    except ImportError as error:
        failure = f'{scope}.registry does not import ({error})'
        return f'{failure}: install {scope} or put it on PYTHONPATH'
    registry = MODELS if scope == MODELS.scope else MODELS.parent.children.get(scope)
    names = sorted(registry.module_dict if registry else [])
    if registry is MODELS:
        names = [name for name in names if f'{scope}.mixers' in MODELS.module_dict[name].__module__]
    return (
        f'{_nearest(kind.rpartition(".")[2], names)}Registered in {scope}: {names}. Name a mixer '
        "of another package 'package.Type', as in 'mmseg.Type'. custom_imports imports a package "
        'that registers its mixer here'
    )


def _inherited(key: str, cls: type) -> str:
    """Return advice for an argument of another mixer, which a config inherits with its dict."""
    ours = [c for c in MODELS.module_dict.values() if c.__module__.startswith(__package__)]
    owners = [c.__name__ for c in ours if c is not cls and key in constructor_parameters(c)[0]]
    if not owners:
        return ''
    return (
        f'It belongs to {" and ".join(owners)}. If the config inherits it from another mixer, drop '
        'the old arguments: set mixer._delete_=True beside mixer.type. '
    )


def _nearest(word: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(word.lower(), [name.lower() for name in names], n=1)
    return ''.join(f'Did you mean {name!r}? ' for name in names if name.lower() in near)
