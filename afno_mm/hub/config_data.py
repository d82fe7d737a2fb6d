"""Parse configs that MMEngine dumped, and convert them to and from JSON. Execute nothing."""

import ast
import json
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from math import inf, nan
from typing import Any

from mmengine.registry import Registry

# Packages whose registries may be imported to look up a type.
PACKAGES = ('mmseg', 'mmpretrain', 'afno_mm')
# JSON has no tuples and only text keys. An object with the key TUPLE stands for a tuple, one with
# ITEMS for a dict with other keys. (For a mixer, a list is one value per stage, a tuple one value.)
TUPLE, ITEMS = '__tuple__', '__items__'


class ConfigDataError(ValueError):
    """A config holds more than plain data, or names a type that is not registered."""


class _DictCalls(ast.NodeTransformer):
    """Replace ``dict(a=1)`` by ``{'a': 1}``, and the names of infinity and NaN by their values."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        inner = node.args[0] if node.args else ast.Dict([], [])
        is_dict = isinstance(node.func, ast.Name) and node.func.id == 'dict'
        if not (is_dict and len(node.args) < 2 and isinstance(inner, ast.Dict)):
            return node  # literal_eval refuses it
        keys = [ast.Constant(k.arg) if k.arg else None for k in node.keywords]
        return ast.Dict([*inner.keys, *keys], [*inner.values, *(k.value for k in node.keywords)])

    def visit_Name(self, node: ast.Name) -> ast.AST:
        numbers = dict(inf=inf, nan=nan)
        return ast.Constant(numbers[node.id]) if node.id in numbers else node


def parse_config(text: str, source: str) -> dict[str, Any]:
    """Parse a config as MMEngine dumps it, ``name = value`` in each line. Execute nothing.

    Raises:
        ConfigDataError: At the first line of another form. The message names ``source``.
    """
    settings, line = {}, 1
    try:
        for node in ast.parse(text).body:
            line = node.lineno
            if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
                raise ValueError(f'found {ast.unparse(node)[:60]!r}')
            settings[node.targets[0].id] = ast.literal_eval(_DictCalls().visit(node.value))
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        where = getattr(error, 'lineno', None) or line
        raise ConfigDataError(
            f'line {where} of the config in {source} is not plain data (name = value) '
            f'and is not executed: {error}. Give the config file that you trust instead'
        ) from error
    return settings


def to_json(value: Any) -> str:
    """Return plain values (text, numbers, None, containers and arrays of them) as JSON.

    Raises:
        ConfigDataError: If there is a value of another kind.
    """
    return json.dumps(_encode(value, 'config'))


def _encode(value, path):
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value) and not {TUPLE, ITEMS} & set(value):
            return {key: _encode(v, f'{path}.{key}') for key, v in value.items()}
        return {ITEMS: [[_encode(k, path), _encode(v, f'{path}.{k}')] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        items = [_encode(v, f'{path}[{i}]') for i, v in enumerate(value)]
        return items if isinstance(value, list) else {TUPLE: items}
    if hasattr(value, 'tolist'):
        return _encode(value.tolist(), path)
    raise ConfigDataError(
        f'{path} is {value!r}, a {type(value).__name__}, and not plain data. Write it as text or '
        'numbers; a class as its registered name'
    )


def from_json(text: str) -> Any:
    """Return the value that :func:`to_json` wrote. Arrays come back as lists."""

    def decode(value):
        if TUPLE in value:
            return tuple(value[TUPLE])
        return dict(value[ITEMS]) if ITEMS in value else value

    return json.loads(text, object_hook=decode)


def check_types(cfg: Mapping[str, Any], source: str) -> None:
    """Raise ConfigDataError unless each ``type`` in a config is the name of a registered class.

    Without this check, MMEngine would import and call any dotted path, such as ``os.system``.
    """
    for path, kind in _types(cfg, 'config'):
        if not isinstance(kind, str) or not _is_registered(kind, cfg.get('default_scope')):
            raise ConfigDataError(
                f'{path}.type of {source} is {kind!r}, and no class of this name is registered. '
                'Only registered classes are built. Import the package that registers it first'
            )


def _types(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        if 'type' in value:
            kinds = value['type']  # A list has a mixer's type for each stage.
            yield from ((path, kind) for kind in (kinds if isinstance(kinds, list) else [kinds]))
        for key, inner in value.items():
            yield from _types(inner, f'{path}.{key}')
    elif isinstance(value, (list, tuple)):
        for i, inner in enumerate(value):
            yield from _types(inner, f'{path}[{i}]')


def _is_registered(kind: str, default_scope: str | None) -> bool:
    *scopes, name = kind.split('.')
    if len(scopes) > 1:
        return False
    for scope in scopes or (default_scope, 'afno_mm', 'mmengine'):
        if scope in PACKAGES:
            import_module(f'{scope}.registry')
        for registry in vars(sys.modules.get(f'{scope}.registry', object)).values():
            if isinstance(registry, Registry):
                registry.import_from_location()
                if name in registry.module_dict:
                    return True
    return False
