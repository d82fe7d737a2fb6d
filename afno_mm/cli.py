"""The command ``afno-mm``: runs the scripts of ``tools/`` and ``data/`` from any folder.

Each script is one command: ``tools/new_config.py`` is ``afno-mm new-config``. The list of commands
shows the first sentence of each script's docstring or comment, and its example.
"""

import ast
import os
import re
import signal
import sys
from pathlib import Path
from typing import NamedTuple

from .names import nearest, root_folder
from .version import __version__

# Scripts that are not commands: other scripts start the first two, the rest is for the source tree.
NO_COMMANDS = {'dist_launch.py', 'environment.sh'}
NO_COMMANDS |= {'quickstart.sh', 'run_tests.sh', 'write_model_index.py'}
TITLES = {'tools': 'Models:', 'data': 'Data:'}
USAGE = """usage: afno-mm COMMAND [ARGUMENTS]
       afno-mm COMMAND --help

CONFIG is a file, or a name that 'afno-mm list-models' lists.
"""


class Command(NamedTuple):
    """A script, its summary in one line, and a working example command."""

    script: Path
    summary: str
    example: str


def find_commands() -> dict[str, Command]:
    """Return the commands of the checkout, or of the installed wheel, by name."""
    root = root_folder()
    scripts = [path for folder in ('tools', 'data') for path in sorted(root.glob(f'{folder}/*.*'))]
    return {
        path.stem.replace('_', '-'): Command(path, *_describe(path))
        for path in scripts
        if path.suffix in ('.py', '.sh') and path.name not in NO_COMMANDS
    }


def _describe(path):
    """Return the summary of a script, and its example or ''."""
    text = path.read_text(encoding='utf-8')
    if path.suffix == '.sh':
        example = re.search(r'^# .*(afno-mm .*)$', text, re.MULTILINE)
        return text.splitlines()[1].strip('# ').split(':')[0], example[1] if example else ''
    tree = ast.parse(text)
    paragraph = ' '.join((ast.get_docstring(tree) or '').partition('\n\n')[0].split())
    examples = [
        node.value.value.splitlines()[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        if isinstance(node.targets[0], ast.Name) and node.targets[0].id == 'example'
    ]
    return re.split(r'(?<=\w)[.:](?= |$)', paragraph)[0], examples[0] if examples else ''


def overview(commands: dict[str, Command]) -> str:
    """Return the usage, then each command with its summary and its example."""
    width = max(map(len, commands))
    lines, title = [USAGE.rstrip()], ''
    for name, command in commands.items():
        if title != (title := TITLES[command.script.parent.name]):
            lines += ['', title]
        lines.append(f'{name:{width}}  {command.summary}')
        lines += [f'{"":{width}}  $ {command.example}'] if command.example else []
    return '\n'.join(lines)


def main() -> int:
    """Replace this process by the named script. Return only for help, version or an error."""
    name, *arguments = sys.argv[1:] or ['--help']
    commands = find_commands()
    if name == 'help' and arguments:  # afno-mm help train
        name, arguments = arguments[0], ['--help']
    if name in ('-h', '--help', 'help'):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # no traceback for: afno-mm | head
        print(overview(commands))
        return 0
    if name == '--version':
        print(f'afno_mm {__version__}')
        return 0
    found = commands.get(name.replace('_', '-'))
    if found is None:
        near = nearest(name, commands, 0.6)
        advice = f'Did you mean {near}?' if near else f'It has {", ".join(commands)}'
        print(f'afno-mm has no command {name!r}. {advice}', file=sys.stderr)
        return 2
    # Put this interpreter's folder first on PATH, because shell scripts call 'python'.
    os.environ['PATH'] = os.pathsep.join(
        [os.path.dirname(sys.executable), os.environ.get('PATH', os.defpath)]
    )
    program = sys.executable if found.script.suffix == '.py' else 'bash'
    sys.stdout.flush()
    os.execvp(program, [program, str(found.script), *arguments])


if __name__ == '__main__':
    sys.exit(main())
