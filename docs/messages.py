"""List the messages of afno_mm that docs/troubleshooting has no entry for.

    python docs/messages.py          # those without an entry, as rows to fill in
    python docs/messages.py --all    # all messages, with file and line

A message is the text of an exception, a warning or an error of a command line. It is read from the
source, without importing it. ``...`` stands for what is only known when it is raised.
"""

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDERS = ('afno_mm', 'tools', 'data')
PAGES = REPOSITORY / 'docs/troubleshooting'
HOLE = '...'
# Calls that show their text to the user, by the last part of their name.
CALLS = {'error', 'exit', 'print_log', 'warn', 'warning', '_error', '_refusal', '_warn'}
CALLS |= {'SystemExit'}
# Places where texts are put together that another function raises or logs. All strings of at
# least three words in them count. Each name is a function, a method or a constant.
COMPOSED = {
    # The text of config_argument is that of config_file, in names.py.
    'afno_mm/cli.py': {'main', ''},
    'afno_mm/command_line.py': {'config_argument'},
    'afno_mm/engine/custom_ops.py': {'check_custom_ops'},
    'afno_mm/backbones/pretrained.py': {'_how_to_get', 'load_pretrained'},
    'afno_mm/datasets/checked.py': {'refusal', '_audit', '_complete', '_check_folder'},
    'afno_mm/datasets/image_folder.py': {'_listed', '_in_folders', '_number_folders'},
    'afno_mm/datasets/rules.py': {'KINDS', 'judge', 'DEEP'},
    'afno_mm/datasets/segmentation.py': {'load_data_list', '_read_metainfo', '_set_label_map'},
    'afno_mm/environment.py': {'check_environment', 'find_problems', 'torch_pair_problem'}
    | {'opencv_problem'},
    'afno_mm/engine/safety/distributed.py': {'Judge'},
    'afno_mm/engine/safety/failures.py': {'explained', 'other_model', '_memory'},
    'afno_mm/engine/safety/model_settings.py': {'check_custom_keys', 'check_class_counts'},
    'afno_mm/engine/safety/settings.py': {'check_settings', 'check_options', '_problem'}
    | {'_unknown', '_follow'},
    'afno_mm/hub/load.py': {'_find'},
    'afno_mm/mixers/build.py': {'build_mixer'},
    'afno_mm/ops/afno/triton/self_test.py': {'_reason'},
    'tools/config_writer/layout.py': {'_refusal'},
    # These show the message of an error that another file raises.
    'tools/demo.py': {'main'},
    'tools/explain.py': {'main'},
}
# Functions that raise the text of another error, of a list of names, or an exit code.
PASSED_ON = {
    'afno_mm/engine/safety/numbers.py': {'after_train_iter'},
    'afno_mm/engine/safety/stop.py': {'_save_and_leave'},
    'afno_mm/hub/config_data.py': {'parse_config'},
    'afno_mm/ops/afno/cpu/library.py': {'_run'},
    'afno_mm/sweep/launch.py': {'stop'},
    'tools/check_data.py': {'main'},
    'tools/dist_launch.py': {''},
    'tools/export.py': {'main'},
    'tools/new_config.py': {'main'},
    'tools/one_step.py': {'main'},
    'tools/sweep.py': {'main'},
}
# An entry whose longest part is shorter must hold half of the text that a message always has.
DISTINCTIVE = 12


class Message(NamedTuple):
    """A text with ``...`` for its variable parts, and where it is."""

    file: str
    line: int
    function: str
    text: str
    is_required: bool  # False: information only


def text_of(node: ast.expr | None) -> str:
    """Return the literal text of an expression, with ``...`` for all else."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else HOLE
    if isinstance(node, ast.JoinedStr):
        return ''.join(text_of(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return text_of(node.left) + text_of(node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return re.sub(r'%\S*[a-z]', HOLE, text_of(node.left))
    if isinstance(node, ast.IfExp):
        return f'{text_of(node.body)}\n{text_of(node.orelse)}'
    return HOLE


def words(text: str) -> int:
    """Count the words of a text that are known before it is raised."""
    return sum(bool(re.search('[A-Za-z]{2}', word)) for word in text.split())


def messages() -> Iterator[Message]:
    """Yield all messages of the package and its tools."""
    for folder in FOLDERS:
        for path in sorted((REPOSITORY / folder).rglob('*.py')):
            name = str(path.relative_to(REPOSITORY))
            yield from _of_body(ast.parse(path.read_text()), name, '', False)


def unresolved() -> list[Message]:
    """Return what is raised without literal text, in no function that is in ``COMPOSED``."""
    return [
        message
        for message in messages()
        if message.is_required
        and words(message.text) < 2
        and message.function not in PASSED_ON.get(message.file, ())
        and message.file not in COMPOSED
    ]


def _of_body(node: ast.AST, file: str, function: str, is_composed: bool) -> Iterator[Message]:
    for child in ast.iter_child_nodes(node):
        inside, name = is_composed, function
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            name = child.name
        elif isinstance(child, ast.Assign) and isinstance(child.targets[0], ast.Name):
            name = child.targets[0].id if not function else function
        inside = inside or name in COMPOSED.get(file, ())
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue  # a docstring
        if isinstance(child, ast.Raise) and isinstance(child.exc, ast.Call):
            kind = ast.unparse(child.exc.func).rpartition('.')[2]
            if kind not in ('AssertionError', 'AttributeError', *CALLS) and child.exc.args:
                yield from _message(child.exc, file, name, True)
        elif isinstance(child, ast.Call):
            kind = ast.unparse(child.func).rpartition('.')[2]
            if kind in CALLS and child.args:
                level = ' '.join(
                    map(ast.unparse, child.args[1:] + [k.value for k in child.keywords])
                )
                required = kind != 'print_log' or bool(re.search('WARN|ERROR|level', level))
                yield from _message(child, file, name, required)
        if inside and isinstance(child, ast.Constant | ast.JoinedStr | ast.BinOp):
            text = text_of(child)
            if words(text) >= 3:
                yield Message(file, child.lineno, name, text, True)
                if not isinstance(child, ast.BinOp):
                    continue
        yield from _of_body(child, file, name, inside)


def _message(call: ast.Call, file: str, name: str, required: bool) -> Iterator[Message]:
    text = '\n'.join(text_of(argument) for argument in call.args)
    text = re.sub(r'%[-\d.]*[sdrfg](?!\w)', HOLE, text)  # of logger.warning(text, *values)
    yield Message(file, call.lineno, name, text, required)


def flat(text: str) -> str:
    """Join the lines of a text."""
    return ' '.join(text.split())


def entries() -> dict[str, str]:
    """Return the messages in the tables of the pages, and the page of each."""
    found = {}
    for path in sorted(PAGES.glob('*.md')):
        for row in re.findall(r'^\| (`.+?`) \|', path.read_text(), re.MULTILINE):
            for text in re.findall(r'`(.+?)`', row):
                found[flat(text)] = path.name
    return found


def matches(entry: str, text: str) -> bool:
    """Return whether the parts of an entry, split at ``...``, follow each other in a message."""
    text, start = flat(text), 0
    parts = [part.strip() for part in entry.split(HOLE) if part.strip()]
    for part in parts:
        found = text.find(part, start)
        if found < 0:
            return False
        start = found + len(part)
    if max(map(len, parts), default=0) >= DISTINCTIVE:
        return True
    return 2 * sum(map(len, parts)) >= len(text.replace(HOLE, '').strip()) > 0


def lacking() -> list[Message]:
    """Return the messages that no entry matches."""
    known = list(entries())
    return [
        message
        for message in messages()
        if message.is_required
        and words(message.text) >= 2
        and not any(matches(entry, message.text) for entry in known)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--all', action='store_true', help='list the messages that have one too')
    if parser.parse_args().all:
        for m in messages():
            print(f'{m.file}:{m.line} {m.function}{"" if m.is_required else " (info)"}: {m.text!r}')
        return
    for m in lacking():
        print(f'| `{flat(m.text)[:110]}` | ({m.file}:{m.line}) |')


if __name__ == '__main__':
    main()
