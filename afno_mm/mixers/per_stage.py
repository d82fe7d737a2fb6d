"""One mixer config for each stage of a backbone."""

import inspect
from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from .build import constructor_parameters, find_mixer

# One mixer for all stages, one per stage, or the backbone's own attention.
MixerConfig = dict | Sequence[dict | None] | None

# The hint to assume for an argument without one, by the type of its default. Pairs are allowed.
UNHINTED = {bool: bool, str: str, int: int | tuple[int, int], float: float | tuple[float, float]}


def mixer_per_stage(mixer: MixerConfig, num_stages: int) -> list[dict | None]:
    """Return one mixer config for each stage of a backbone.

    In a dict for all stages a list holds one value per stage, as in ``num_blocks=[1, 2, 5, 8]``.
    A tuple is one value, as in ``num_modes=(4, 3)``. A list that could also be one value of its
    argument (``num_modes=[4, 3]`` with two stages) raises ValueError. The type hint of the argument
    decides whether it could; docs/mixers.md has a table.

    Raises:
        TypeError: If ``mixer`` is only a name, or an entry of a list is neither a dict nor None.
        ValueError: If a list does not have one entry per stage, or could be one value.
        KeyError: If no mixer of that type is registered.
    """
    if isinstance(mixer, str):
        raise TypeError(
            f'mixer must be a dict such as dict(type={mixer!r}), got {mixer!r}. On the '
            f'command line: model.backbone.mixer.type={mixer}'
        )
    if mixer is None:
        return [None] * num_stages
    if isinstance(mixer, dict):
        return [_of_stage(mixer, i, num_stages) for i in range(num_stages)]
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


def _of_stage(mixer: dict, stage: int, num_stages: int) -> dict:
    lists = {key: value for key, value in mixer.items() if isinstance(value, list)}
    for key, value in lists.items():
        if len(value) != num_stages:
            kind = mixer.get('type')
            cls = find_mixer(kind[0] if isinstance(kind, list) else kind)
            is_value = key != 'type' and _could_be_one_value(value, _hint(cls, key)[0])
            advice = f'. Write one value for all stages as a tuple: {key}={tuple(value)}'
            raise ValueError(
                f'mixer.{key}={value} has {len(value)} values, but a list has one value per '
                f'stage, {num_stages} in all{advice if is_value else ""}'
            )
    chosen = mixer | {key: value[stage] for key, value in lists.items()}
    for key in lists.keys() - {'type'}:
        _refuse_two_meanings(find_mixer(chosen.get('type')), key, lists[key])
    return chosen


def _hint(cls: type, key: str) -> tuple[Any, bool]:
    """Return an argument's type hint, or else one to assume, and whether it has one."""
    accepted, takes_any = constructor_parameters(cls)
    if key not in accepted and not takes_any:
        return NoneType, True  # No list fits. build_mixer refuses the argument.
    parameter = accepted.get(key) or inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY)
    if parameter.annotation is not parameter.empty:
        return parameter.annotation, True
    return UNHINTED.get(type(parameter.default), Sequence[int]), False


def _refuse_two_meanings(cls: type, key: str, value: list) -> None:
    hint, has_hint = _hint(cls, key)
    if not _could_be_one_value(value, hint):
        return
    one, more = tuple(value), ', ...' if len(value) > 2 else ''
    singles = ', '.join(f'dict(type=..., {key}={v!r})' for v in value[:2])
    advice = f'. If {key} is always a single value, annotate it in {cls.__name__}.__init__'
    raise ValueError(
        f'mixer.{key}={value} has two meanings: one value for all stages, or one value for each '
        f'of {len(value)} stages. For all stages write {key}={one}, or per stage '
        f'{key}=[{one}, {one}{more}]. For single values per stage write one mixer per stage: '
        f'mixer=[{singles}{more}]{"" if has_hint else advice}'
    )


def _could_be_one_value(value: Any, hint: Any) -> bool:
    """Return whether a config value fits a type hint by nesting and length. Unknown hints fit."""
    origin, inner = get_origin(hint) or hint, get_args(hint)
    if origin in (Union, UnionType):
        return any(_could_be_one_value(value, option) for option in inner)
    if not isinstance(value, (list, tuple)):
        return origin not in (list, tuple, Sequence)
    named = isinstance(origin, type) and origin not in (Any, tuple)
    if origin is Literal or (named and not issubclass(list, origin)):
        return False  # a number, a text, a dict or another class
    if origin is tuple and inner and inner[-1] is not Ellipsis:
        return len(value) == len(inner) and all(map(_could_be_one_value, value, inner))
    return not inner or all(_could_be_one_value(entry, inner[0]) for entry in value)
