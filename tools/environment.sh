# Sourced by quickstart.sh and run_tests.sh: installs this package with the extras in $1, into
# the active virtual or conda environment (not conda's base) or else into .venv, which it makes.
# Can be run again.
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }

if [ "${CONDA_DEFAULT_ENV:-base}" = base ] && [ -z "${VIRTUAL_ENV:-}" ]; then
    if [ ! -x .venv/bin/python ]; then
        for python in python3 python3.13 python3.12 python3.11 python3.10 none; do
            if new_enough "$python"; then break; fi
        done
        if [ "$python" = none ]; then
            echo "Python >= 3.10 is needed; python3 is $(python3 --version 2>&1 || true)." \
                "Install it, or activate an environment that has it." >&2
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
elif ! new_enough python; then
    echo "Python >= 3.10 is needed; the active environment has $(python --version 2>&1 || true)." \
        "Activate another, or deactivate it to have one made." >&2
    exit 1
fi
python -m pip --version >/dev/null 2>&1 || python -m ensurepip --upgrade >/dev/null
echo "installing into $(python -c 'import sys; print(sys.prefix)') (a few minutes the first time)"
python -m pip install --quiet --disable-pip-version-check -e ".$1"
