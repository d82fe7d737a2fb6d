"""Build the token mixer that a config names."""

import difflib
import inspect
from importlib import import_module
from typing import Any

from torch import nn

from ..registry import MODELS


def build_mixer(cfg: dict, embed_dims: int, **known: Any) -> nn.Module:
    """Build the token mixer that a config names.

    Args:
        cfg: ``type`` and the mixer's own arguments. A bare type is looked up in this package
            and in MMEngine's root registry, ``pkg.Type`` in that package.
        embed_dims: Channels of the tokens.
        **known: What else the backbone knows of the stage, such as ``num_heads`` and
            ``grid_size``. A mixer that takes such an argument gets it unless ``cfg`` sets it.

    Raises:
        KeyError: If no mixer of that type is registered.
        TypeError: If the mixer does not take an argument, or needs one that is not set. The
            message names the arguments that it takes.
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
            near = difflib.get_close_matches(key, accepted, n=1)
            hint = f' Did you mean {near[0]!r}?' if near else ''
            raise TypeError(
                f'{cls.__name__} takes no argument {key!r}.{hint} It takes {list(accepted)}. To '
                'replace a mixer together with its arguments, set mixer._delete_=True beside '
                'mixer.type'
            )
    arguments = {key: value for key, value in known.items() if key in accepted} | arguments
    missing = [k for k, p in accepted.items() if p.default is p.empty and k not in arguments]
    if missing:
        raise TypeError(
            f'{cls.__name__} needs {missing}, which this backbone does not know: set '
            + ', '.join(f'mixer.{key}' for key in missing)
        )
    return cls(**arguments)


def mixer_takes(cfg: dict, argument: str) -> bool:
    """Return whether the mixer that a config names takes an argument of that name."""
    return argument in constructor_parameters(find_mixer(cfg.get('type')))[0]


def constructor_parameters(cls: type) -> tuple[dict[str, inspect.Parameter], bool]:
    """Return the named parameters of a class, and whether it takes any other (``**kwargs``)."""
    try:
        signature = inspect.signature(cls, eval_str=True)
    except Exception:  # A hint names what only a type checker imports; it stays a string.
        signature = inspect.signature(cls)
    named, takes_any = {}, False
    for name, parameter in signature.parameters.items():
        if parameter.kind == parameter.VAR_KEYWORD:
            takes_any = True
        elif parameter.kind != parameter.VAR_POSITIONAL:
            named[name] = parameter
    return named, takes_any


def find_mixer(kind: str | type | None) -> type:
    """Return the class that a ``type`` names.

    Raises:
        KeyError: If there is none. The message lists the registered names.
    """
    if isinstance(kind, type):
        return kind
    if not kind:
        raise KeyError("a mixer's config needs a type, as in dict(type='AFNO')")
    cls = MODELS.get(kind)
    if cls is None:
        raise KeyError(f'no mixer {kind!r} is registered. {_registered_names(kind)}')
    return cls


def _registered_names(kind: str) -> str:
    """Return the part of an error message that says which names are registered."""
    scope = kind.rpartition('.')[0] or MODELS.scope
    try:
        import_module(f'{scope}.registry')
    except ImportError as error:
        return (
            f'{scope}.registry does not import ({error}): install {scope} or put it on PYTHONPATH'
        )
    registry = MODELS if scope == MODELS.scope else MODELS.parent.children.get(scope)
    names = [
        name
        for name, cls in sorted(registry.module_dict.items() if registry else [])
        if scope != MODELS.scope or f'{scope}.mixers' in cls.__module__
    ]
    wanted = kind.rpartition('.')[2].lower()
    near = difflib.get_close_matches(wanted, [name.lower() for name in names], n=1)
    hint = ''.join(f'Did you mean {name!r}? ' for name in names if name.lower() in near)
    return (
        f'{hint}Registered in {scope}: {names}. Name a mixer of another package '
        "'package.Type', as in 'mmseg.Type'"
    )
