"""Checks of arguments and tokens. Each error names the value found and the values wanted."""

import inspect
import math
from collections.abc import Iterable
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn


def check_divisor(name: str, value: Any, embed_dims: int) -> None:
    """Raise ValueError unless ``value`` is a whole number that divides ``embed_dims``."""
    if not _is_whole(value) or embed_dims % value:
        divisors = [n for n in range(1, embed_dims + 1) if embed_dims % n == 0]
        raise ValueError(
            f'{name} must divide embed_dims: got {name}={value!r} for embed_dims={embed_dims}. '
            f'These divide {embed_dims}: {divisors}. Stages of other widths need divisors of theirs'
        )


def check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    """Raise ValueError unless ``value`` is one of ``choices``."""
    if value not in list(choices):  # A list is in no dict.
        raise ValueError(f'{name} must be one of {list(choices)}, got {value!r}')


def check_grid(x: Tensor, embed_dims: int) -> None:
    """Raise ValueError unless ``x`` is a grid of tokens ``(B, H, W, embed_dims)``."""
    if torch.jit.is_tracing():
        return  # Tracing would warn that the comparison becomes a constant.
    if x.ndim != 4 or x.shape[-1] != embed_dims:
        raise ValueError(
            f'a mixer takes a grid of tokens (B, H, W, {embed_dims}), got {tuple(x.shape)}'
        )


def check_whole(name: str, value: Any) -> None:
    """Raise ValueError unless ``value`` is a whole number >= 1."""
    if not _is_whole(value):
        raise ValueError(f'{name} must be a whole number >= 1, got {value!r}')


def _is_whole(value: Any) -> bool:
    try:
        return bool(value >= 1 and value == int(value))
    except (TypeError, ValueError, OverflowError):  # a string, a list, NaN, infinity
        return False


def whole_pair(name: str, value: Any) -> tuple[int, int]:
    """Return one int >= 1, or one for each axis, as a pair. Raise ValueError for other values."""
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2 or not all(hasattr(n, '__index__') and n >= 1 for n in pair):
        raise ValueError(
            f'{name} must be a whole number >= 1 or two of them as a tuple, got {value!r}'
        )
    return pair


def number(value: Any) -> float:
    """Return a number as a float. Return NaN, which is in no range, for all else, such as text."""
    return float(value) if isinstance(value, Real) else math.nan


def check_threshold(sparsity_threshold: Any) -> None:
    """Raise ValueError unless ``sparsity_threshold`` is a number >= 0."""
    if not number(sparsity_threshold) >= 0:
        raise ValueError(f'sparsity_threshold must be >= 0, got {sparsity_threshold!r}')


def check_dropout(name: str, rate: Any) -> None:
    """Raise ValueError unless ``rate`` is a number in [0, 1)."""
    if not 0 <= number(rate) < 1:
        raise ValueError(f'{name} must be in [0, 1), got {rate!r}')


def show_settings(module: nn.Module) -> str:
    """Return the stored constructor arguments as text. Mixers use it as ``extra_repr``."""
    values = {k: getattr(module, k, None) for k in inspect.signature(type(module)).parameters}
    shown = (int, float, str, tuple)
    return ', '.join(f'{k}={v!r}' for k, v in values.items() if isinstance(v, shown))
