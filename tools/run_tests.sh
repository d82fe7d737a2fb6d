#!/usr/bin/env bash
# Installs what the tests need and runs them: tools/run_tests.sh [arguments of pytest]
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/environment.sh '[tests]'
python -m pytest "$@"
