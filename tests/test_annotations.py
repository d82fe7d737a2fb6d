"""Every public function and method of the package has type hints for its arguments and result."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / 'afno_mm'
FILES = sorted(PACKAGE.rglob('*.py'))


def incomplete(tree):
    """Yield ``line name: what is missing`` for each public function without complete hints."""
    for owner in [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]:
        if getattr(owner, 'name', '').startswith('_'):
            continue
        prefix = f'{owner.name}.' if isinstance(owner, ast.ClassDef) else ''
        for node in owner.body:
            if not isinstance(node, ast.FunctionDef) or is_private(node.name) or is_kernel(node):
                continue
            missing = missing_hints(node, is_method=bool(prefix))
            if missing:
                yield f'line {node.lineno} {prefix}{node.name}: {", ".join(missing)}'


def is_private(name):
    return name.startswith('_') and name not in ('__init__', '__call__')


def is_kernel(node):
    return any('triton' in ast.unparse(decorator) for decorator in node.decorator_list)


def missing_hints(node, is_method):
    arguments = node.args.posonlyargs + node.args.args
    if is_method and not any(ast.unparse(d) == 'staticmethod' for d in node.decorator_list):
        arguments = arguments[1:]  # self or cls
    arguments += [*node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
    missing = [each.arg for each in arguments if each is not None and each.annotation is None]
    return missing + (['result'] if node.returns is None else [])


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_public_functions_have_type_hints(path):
    offenders = list(incomplete(ast.parse(path.read_text())))
    assert not offenders, '\n'.join(offenders)


def test_a_missing_hint_would_be_seen():
    source = """
def good(x: int, *args: int, **kwargs: int) -> int: ...
def bad(x, y: int, *args, z, **kwargs) -> None: ...
def no_result(x: int): ...
def _private(x): ...
@triton.jit
def kernel(x): ...
class Public:
    def __init__(self, x) -> None: ...
    @staticmethod
    def forward(ctx, x: int) -> int: ...
    @property
    def size(self): ...
    def _private(self, x): ...
class _Private:
    def method(self, x): ...
"""
    assert list(incomplete(ast.parse(source))) == [
        'line 3 bad: x, z, args, kwargs',
        'line 4 no_result: result',
        'line 9 Public.__init__: x',
        'line 11 Public.forward: ctx',
        'line 13 Public.size: result',
    ]
