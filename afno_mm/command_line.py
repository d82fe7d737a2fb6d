"""The argument parser of all tools: an example in ``--help``, the nearest name in errors."""

import argparse
import re
from typing import Any, NoReturn

from .names import config_file, nearest


class Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Help formatter that keeps line breaks and shows the default of each option."""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser with an example, whose errors name the nearest option that exists.

    Args:
        description: What the tool does. Its line breaks stay.
        example: Working commands, one per line. ``afno-mm`` lists the first below the tool.
        show_defaults: Whether to add the default to the help of each option.
    """

    def __init__(
        self, description: str | None, example: str, show_defaults: bool = False, **kwargs: Any
    ) -> None:
        kind = Formatter if show_defaults else argparse.RawDescriptionHelpFormatter
        lines = ''.join(f'\n  {line}' for line in example.splitlines())
        super().__init__(
            description=description,
            formatter_class=kind,
            epilog=f'example:{lines}',
            allow_abbrev=False,
            **kwargs,
        )

    def error(self, message: str) -> NoReturn:
        """Print the message with the nearest names, and exit with code 2."""
        near: list[str | None] = []
        if match := re.match(r'unrecognized arguments: (.*)', message, re.DOTALL):
            options = [option for option in self._option_string_actions if option[:2] == '--']
            given = [word.partition('=')[0] for word in match[1].split() if word[0] == '-']
            near = [nearest(word, options, 0.6) for word in given]
        elif match := re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message, re.DOTALL):
            near = [nearest(match[1], re.findall(r"[^\s,']+", match[2]), 0.5)]
        names = ' '.join(dict.fromkeys(name for name in near if name))
        super().error(f'{message}. Did you mean {names}?' if names else message)


def config_argument(name: str) -> str:
    """Return the path of a config from its name. For ``type=`` of an argument."""
    try:
        return config_file(name)
    except FileNotFoundError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def config_arguments(parser: argparse.ArgumentParser, names: list[str]) -> list[str]:
    """Return the paths of configs from their names. An unknown name ends the program."""
    try:
        return [config_argument(name) for name in names]
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))
