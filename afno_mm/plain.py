"""Minimal replacements of MMEngine's registries and ``print_log``, for use without MMEngine.

With them, ``afno_mm.ops`` and ``afno_mm.mixers`` need torch alone (docs/outside_openmmlab.md).
"""

import logging
from collections.abc import Callable, Sequence
from importlib.util import find_spec


def is_installed(*packages: str) -> bool:
    """Return whether any of these packages is installed, without importing it."""
    for package in packages:
        try:
            if find_spec(package):
                return True
        except (ImportError, ValueError):  # its parent package fails, or a stub replaces it
            continue
    return False


class Registry:
    """Registry of classes by name. It has only the parts of MMEngine's class that mixers use."""

    def __init__(
        self,
        name: str,
        parent: 'Registry | None' = None,
        scope: str = '',
        locations: Sequence[str] = (),
    ) -> None:
        self.name, self.parent, self.scope = name, parent, scope
        self.module_dict: dict[str, type] = {}
        self.children: dict[str, Registry] = {}

    def register_module(self) -> Callable[[type], type]:
        """Return a decorator that registers a class under its own name."""

        def register(cls: type) -> type:
            self.module_dict[cls.__name__] = cls
            return cls

        return register

    def get(self, kind: str) -> type | None:
        """Return the class of a name, such as 'AFNO' or 'afno_mm.AFNO', or None."""
        return self.module_dict.get(kind.removeprefix(f'{self.scope}.'))


def print_log(message: str, logger: str | None = None, level: int = logging.INFO) -> None:
    """Pass a message to Python's logger 'afno_mm'."""
    logging.getLogger('afno_mm').log(level, message)


def __getattr__(name: str) -> Registry:
    """Return a new empty registry for any upper-case name, such as MODELS."""
    if not name.isupper():
        raise AttributeError(name)
    return Registry(name)
