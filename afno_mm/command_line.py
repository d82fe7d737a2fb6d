"""The argument parser of all tools: an example in ``--help``, the nearest name in errors."""

import argparse
import re
from typing import Any, NoReturn

from .names import config_file, nearest


class Parser(argparse.ArgumentParser):
    """An ArgumentParser with an example that names the nearest option of an unknown one.

    Args:
        description: What the tool does, with its line breaks.
        example: A command that works, or several of them on lines of their own.
    """

    def __init__(self, description: str | None = None, example: str = '', **kwargs: Any) -> None:
        kwargs.setdefault('formatter_class', argparse.RawDescriptionHelpFormatter)
        if example:
            lines = '\n'.join(f'  {line}' for line in example.splitlines())
            kwargs.setdefault('epilog', f'example:\n{lines}')
        super().__init__(description=description, **kwargs)

    def add_config(self, help: str = 'config file, or the name of a config') -> None:
        """Add the argument CONFIG, a file or a name of :func:`afno_mm.list_models`."""
        self.add_argument('config', type=config_argument, help=help)

    def error(self, message: str) -> NoReturn:
        """Print the message with the nearest name, and exit with code 2."""
        options = [text for text in self._option_string_actions if text.startswith('--')]
        known: list[str] = []
        if unknown := re.match(r'unrecognized arguments: (.*)', message):
            words = [w.partition('=')[0] for w in unknown[1].split() if w.startswith('-')]
            known = [near for word in words if (near := nearest(word, options, 0.6))]
        elif choice := re.match(r".*invalid choice: '(.*?)' \(choose from (.*)\)", message):
            near = nearest(choice[1], re.findall(r'[\w.-]+', choice[2]), 0.6)
            known = [near] if near else []
        if known:
            message += f'. Did you mean {" ".join(dict.fromkeys(known))}?'
        super().error(message)


def config_argument(name: str) -> str:
    """Return :func:`config_file` of an argument. The parser prints its error."""
    try:
        return config_file(name)
    except FileNotFoundError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
