"""From config values to mixers."""

import difflib
import inspect
from importlib import import_module

from ..registry import MODELS


def mixer_per_stage(mixer, num_stages):
    """One mixer config for each stage of a backbone.

    Args:
        mixer (dict | list[dict | None] | None): One config for all stages, in which a
            list stands for one value per stage, as in ``num_blocks=[1, 2, 5, 8]``
            (a tuple is a single value); or one config per stage. ``None`` keeps the
            backbone's own attention.
        num_stages (int): Stages of the backbone.

    Returns:
        list[dict | None]: ``num_stages`` configs.

    Raises:
        TypeError: If it is only a name, or an entry of a list is neither a dict nor None.
        ValueError: If a list does not have one entry per stage.
    """
    if isinstance(mixer, str):
        raise TypeError(
            f'mixer must be a dict such as dict(type={mixer!r}), got {mixer!r}. On the '
            f'command line: model.backbone.mixer.type={mixer}'
        )
    if mixer is None:
        return [None] * num_stages
    if isinstance(mixer, dict):
        mixer = [_of_stage(mixer, i, num_stages) for i in range(num_stages)]
    if len(mixer) != num_stages:
        raise ValueError(
            f'mixer is a list of {len(mixer)} configs, but the backbone has {num_stages} stages'
        )
    for i, chosen in enumerate(mixer):
        if chosen is not None and not isinstance(chosen, dict):
            raise TypeError(
                f'mixer[{i}] must be a dict such as dict(type={chosen!r}) or None, got {chosen!r}'
            )
    return list(mixer)


def _of_stage(mixer, stage, num_stages):
    chosen = {}
    for key, value in mixer.items():
        if isinstance(value, list):
            if len(value) != num_stages:
                raise ValueError(
                    f'mixer.{key} must have one value per stage, {num_stages} in all, '
                    f'got {value}. (A value that is itself a sequence is written as a tuple.)'
                )
            value = value[stage]
        chosen[key] = value
    return chosen


def build_mixer(cfg, embed_dims, **known):
    """Build the token mixer that a config names.

    Args:
        cfg (dict): ``type`` and the mixer's own arguments. A bare type is looked up in
            this package and in MMEngine's root registry, ``pkg.Type`` in that package.
        embed_dims (int): Channels of the tokens.
        **known: What else the backbone knows of the stage, as ``num_heads`` and
            ``grid_size``. A mixer that takes such an argument gets it unless ``cfg`` sets it.

    Raises:
        KeyError: If no mixer of that type is registered.
        TypeError: If the mixer does not take an argument, or needs another; names those it takes.
    """
    arguments = dict(cfg)
    cls = _find(arguments.pop('type', None))
    if arguments.setdefault('embed_dims', embed_dims) != embed_dims:
        raise ValueError(
            f'mixer.embed_dims is {arguments["embed_dims"]}, but the tokens of this '
            f'stage have {embed_dims} channels: leave it out'
        )
    accepted, takes_any = _parameters(cls)
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
    missing = [key for key, required in accepted.items() if required and key not in arguments]
    if missing:
        raise TypeError(
            f'{cls.__name__} needs {missing}, which this backbone does not know: set '
            + ', '.join(f'mixer.{key}' for key in missing)
        )
    return cls(**arguments)


def mixer_takes(cfg, argument):
    """Whether the mixer that a config names has an argument of that name."""
    return argument in _parameters(_find(cfg.get('type')))[0]


def _parameters(cls):
    """``{name: whether it is required}`` of a class, and whether it takes any other."""
    parameters = inspect.signature(cls).parameters.values()
    named = {
        p.name: p.default is p.empty
        for p in parameters
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }
    return named, any(p.kind == p.VAR_KEYWORD for p in parameters)


def _find(kind):
    """The class that a ``type`` names."""
    if inspect.isclass(kind):
        return kind
    if not kind:
        raise KeyError("a mixer's config needs a type, as in dict(type='AFNO')")
    cls = MODELS.get(kind)
    if cls is None:
        raise KeyError(f'no mixer {kind!r} is registered. {_what_is(kind)}')
    return cls


def _what_is(kind):
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
        f'{hint}Registered in {scope}: {names}. One of another package is named '
        "'package.Type', as 'mmseg.Type'"
    )
