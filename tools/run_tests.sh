#!/usr/bin/env bash
# Installs what the tests need, checks format, lint and types, and runs the tests.
#   tools/run_tests.sh [arguments of pytest]
#   tools/run_tests.sh --torch 2.6.0 [arguments of pytest]
# --torch runs the tests only, with that PyTorch in an environment and with a cache of its own:
# .venv-torch-2.6.0. The Python is that of the active environment, or python3.
set -euo pipefail
cd "$(dirname "$0")/.."

# check HINT COMMAND ...: run the command. If it fails, print the hint and stop.
check() {
    local hint=$1
    shift
    echo "$ $*"
    if ! "$@"; then
        printf '\n%s failed. %s\n' "$*" "$hint" >&2
        exit 1
    fi
}

if [ "${1:-}" = --torch ]; then
    if [ -z "${2:-}" ]; then
        echo 'usage: tools/run_tests.sh [--torch VERSION] [arguments of pytest]' >&2
        exit 2
    fi
    torch=$2
    shift 2
    . tools/environment.sh '[tests]' "$torch"
    # Compiled programs depend on the version of PyTorch.
    export XDG_CACHE_HOME=$VIRTUAL_ENV/cache
    export TORCHINDUCTOR_CACHE_DIR=$XDG_CACHE_HOME/inductor TRITON_CACHE_DIR=$XDG_CACHE_HOME/triton
else
    . tools/environment.sh '[tests,lint]'
    check 'Run: ruff format .' ruff format --check .
    check 'Run: ruff check --fix . and correct the rest by hand.' ruff check .
    check 'Correct the types above. Configuration: [tool.mypy] in pyproject.toml.' mypy
fi
python -c 'import sys, torch; print(f"Python {sys.version.split()[0]}, torch {torch.__version__}")'
# One process per core, each with one thread. Tests of one file share what they train.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
exec python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder "$@"
