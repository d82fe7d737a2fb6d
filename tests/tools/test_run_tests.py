"""tools/run_tests.sh calls the right commands, and says how to repair what fails."""

import os
import shutil
import subprocess

import pytest
from running import REPOSITORY

# Log the call. ``python3 -m venv FOLDER`` creates a folder with the same fake Python.
PYTHON = """#!/usr/bin/env bash
echo "python $*" >> "$LOG"
if [ "$*" = "-m venv $3" ]; then
    mkdir -p "$3/bin"
    cp "$0" "$3/bin/python"
    echo "VIRTUAL_ENV=$PWD/$3; PATH=$PWD/$3/bin:\\$PATH" > "$3/bin/activate"
elif [ "$2" = pytest ]; then
    echo "cache $XDG_CACHE_HOME" >> "$LOG"
fi
"""
TOOL = """#!/usr/bin/env bash
echo "$(basename "$0") $*" >> "$LOG"
[ "$(basename "$0") $*" != "$FAILS" ]
"""
PYTEST = 'python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder'


@pytest.fixture
def run_tests(tmp_path):
    """Return a function that runs the script with fake Python, ruff and mypy."""
    shutil.copytree(REPOSITORY / 'tools', tmp_path / 'tools')
    programs = tmp_path / 'bin'
    programs.mkdir()
    for name, text in dict(python=PYTHON, python3=PYTHON, ruff=TOOL, mypy=TOOL).items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)

    def run(*arguments, fails=''):
        log = tmp_path / 'log'
        log.write_text('')
        environment = dict(
            PATH=f'{programs}:{os.environ["PATH"]}',
            LOG=str(log),
            FAILS=fails,
            VIRTUAL_ENV=str(tmp_path / 'active'),
            XDG_CACHE_HOME='home',
        )
        result = subprocess.run(
            ['bash', tmp_path / 'tools/run_tests.sh', *arguments],
            env=environment,
            capture_output=True,
            text=True,
        )
        queries = ('python -c', 'python --version')
        calls = [line for line in log.read_text().splitlines() if not line.startswith(queries)]
        return result.returncode, result.stdout + result.stderr, calls

    return run


INSTALL = 'python -m pip install --quiet --disable-pip-version-check -e'


def test_whole_command_checks_the_code_and_runs_pytest(run_tests):
    status, output, calls = run_tests('-m', 'not slow')
    assert status == 0, output
    assert calls == [
        'python -m pip --version',
        f'{INSTALL} .[tests,lint]',
        'ruff format --check .',
        'ruff check .',
        'mypy ',
        f'{PYTEST} -m not slow',
        'cache home',
    ]


@pytest.mark.parametrize(
    'fails, hint',
    [
        ('ruff format --check .', 'Run: ruff format .'),
        ('ruff check .', 'Run: ruff check --fix .'),
        ('mypy ', 'Correct the types above.'),
    ],
)
def test_failed_check_stops_with_the_command_that_repairs_it(run_tests, fails, hint):
    status, output, calls = run_tests(fails=fails)
    assert status == 1 and calls[-1] == fails
    assert f'{fails.strip()} failed. {hint}' in output


def test_chosen_torch_has_its_own_environment_and_cache(run_tests, tmp_path):
    status, output, calls = run_tests('--torch', '2.6.0', '-x')
    assert status == 0, output
    assert calls == [
        'python -m venv .venv-torch-2.6.0',
        'python -m pip --version',
        f'{INSTALL} .[tests] torch==2.6.0 torchvision',
        f'{PYTEST} -x',
        f'cache {tmp_path}/.venv-torch-2.6.0/cache',
    ]


def test_torch_without_a_version_is_refused(run_tests):
    status, output, calls = run_tests('--torch')
    assert status == 2 and 'usage: ' in output and calls == []
