#!/usr/bin/env bash
# Test with several processes: tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [arguments of test.py]
# One process per GPU, or CPU processes over gloo where there is none. On several machines set
# NNODES, NODE_RANK, MASTER_ADDR and PORT, the same on all but NODE_RANK.
#   afno-mm dist-test segformer_afno_b0_cityscapes epoch_450.pth 8
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,5s/^# //p' "$0"; exit 0 ;; esac
if [ $# -lt 3 ]; then sed -n '2,5s/^# //p' "$0" >&2; exit 2; fi
tools=$(cd "$(dirname "$0")" && pwd)
exec python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    --nproc_per_node="$3" \
    "$tools/test.py" "$1" "$2" --launcher pytorch "${@:4}"
