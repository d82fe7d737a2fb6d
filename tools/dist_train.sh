#!/usr/bin/env bash
# Train with several processes: tools/dist_train.sh CONFIG PROCESSES [arguments of train.py]
# One process per GPU, or CPU processes over gloo where there is none. On several machines set
# NNODES, NODE_RANK, MASTER_ADDR and PORT, the same on all but NODE_RANK.
# SIGTERM, SIGINT and SIGUSR1 save a checkpoint and end the training with exit code 75: the same
# command with --resume goes on from there.
#   afno-mm dist-train segformer_afno_b0_cityscapes 8
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,7s/^# //p' "$0"; exit 0 ;; esac
if [ $# -lt 2 ]; then sed -n '2,7s/^# //p' "$0" >&2; exit 2; fi
tools=$(cd "$(dirname "$0")" && pwd)
# exec: signals to this script reach the launcher.
exec python "$tools/dist_launch.py" \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    --nproc_per_node="$2" \
    "$tools/train.py" "$1" --launcher pytorch "${@:3}"
