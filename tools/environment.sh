# Sourced by quickstart.sh and run_tests.sh: installs this package with the extras in $1, into
# the active virtual or conda environment or else into .venv, which it makes. Can be run again.
if [ -z "${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" ]; then
    if [ ! -x .venv/bin/python ]; then
        for python in python3 python3.13 python3.12 python3.11 python3.10; do
            if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
                break
            fi
            python=
        done
        if [ -z "$python" ]; then
            echo "Python >= 3.10 is needed and was not found (python3 is" \
                "$(python3 --version 2>&1 || true)). Install it, or activate an environment that has it." >&2
            exit 1
        fi
        echo "making the virtual environment .venv with $("$python" --version)"
        if ! "$python" -m venv .venv; then
            rm -rf .venv
            echo "$python cannot make virtual environments. On Debian and Ubuntu:" \
                "apt install python3-venv" >&2
            exit 1
        fi
    fi
    # shellcheck disable=SC1091
    . .venv/bin/activate
fi
echo "installing into $(python -c 'import sys; print(sys.prefix)') (a few minutes the first time)"
python -m pip install --quiet --disable-pip-version-check -e ".$1"
