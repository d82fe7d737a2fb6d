# To be sourced: . tools/environment.sh EXTRAS [TORCH]
# Installs this package in editable mode with EXTRAS, such as '[tests]' or ''. It uses the active
# virtual or conda environment (not conda's base). If there is none, it creates .venv.
# With TORCH, a version of PyTorch, it creates and uses .venv-torch-TORCH instead.
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }

environment_torch=${2:-}
environment=.venv${environment_torch:+-torch-$environment_torch}
if [ -n "$environment_torch" ] ||
    { [ "${CONDA_DEFAULT_ENV:-base}" = base ] && [ -z "${VIRTUAL_ENV:-}" ]; }; then
    if [ ! -x "$environment/bin/python" ]; then
        for python in python3 python3.13 python3.12 python3.11 python3.10 none; do
            if new_enough "$python"; then break; fi
        done
        if [ "$python" = none ]; then
            echo "Python >= 3.10 is needed; python3 is $(python3 --version 2>&1 || true)." \
                "Install a newer Python, or activate an environment that has one." >&2
            exit 1
        fi
        echo "creating the virtual environment $environment with $("$python" --version)"
        if ! "$python" -m venv "$environment"; then
            rm -rf "$environment"
            echo "$python cannot create virtual environments. On Debian and Ubuntu:" \
                "apt install python3-venv" >&2
            exit 1
        fi
    fi
    # shellcheck disable=SC1091
    . "$environment/bin/activate"
elif ! new_enough python; then
    echo "Python >= 3.10 is needed; the active environment has $(python --version 2>&1 || true)." \
        "Activate another environment. Or deactivate this one: the tool then creates .venv." >&2
    exit 1
fi
python -m pip --version >/dev/null 2>&1 || python -m ensurepip --upgrade >/dev/null
echo "installing into $(python -c 'import sys; print(sys.prefix)') (a few minutes the first time)"
# pip picks the torchvision that belongs to a given torch.
python -m pip install --quiet --disable-pip-version-check -e ".$1" \
    ${environment_torch:+"torch==$environment_torch" torchvision}
