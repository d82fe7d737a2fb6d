#!/usr/bin/env bash
# Train on a Slurm cluster: tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of train.py]
# GPUS (default 8), GPUS_PER_NODE (8), CPUS_PER_TASK (5) and SRUN_ARGS are taken from the
# environment. BATCH=1 submits a job that continues by itself: SIGNAL_BEFORE (default 120) seconds
# before the time limit, the training saves a checkpoint and exits with 75. The job is then queued
# again with --resume. SRUN_ARGS can set the limit, as in --time=24:00:00.
#   afno-mm slurm-train gpu afno segformer_afno_b0_cityscapes
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,7s/^# //p' "$0"; exit 0 ;; esac
if [ $# -lt 3 ]; then sed -n '2,7s/^# //p' "$0" >&2; exit 2; fi
tools=$(cd "$(dirname "$0")" && pwd)
# shellcheck disable=SC2206  # SRUN_ARGS is a list of words
resources=(
    -p "$1" --job-name="$2"
    --gres=gpu:"${GPUS_PER_NODE:-8}"
    --ntasks="${GPUS:-8}" --ntasks-per-node="${GPUS_PER_NODE:-8}"
    --cpus-per-task="${CPUS_PER_TASK:-5}"
    ${SRUN_ARGS:-}
)
signal=--signal=USR1@${SIGNAL_BEFORE:-120}
if [ "${BATCH:-}" = 1 ]; then
    # Use --wrap: Slurm would copy this script elsewhere. Slurm signals the steps of the job alone.
    exec sbatch "${resources[@]}" "$signal" --requeue --open-mode=append \
        --wrap "BATCH=inside $(printf '%q ' bash "$tools/slurm_train.sh" "$@")"
fi
last=()
if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then last=(--resume); fi
# A job of sbatch has the signal already.
if [ "${BATCH:-}" != inside ]; then resources+=("$signal"); fi
# A task that has saved a checkpoint sleeps before it exits with 75. Otherwise --kill-on-bad-exit
# could kill tasks that are still exiting, and srun would return their exit code.
# shellcheck disable=SC2016  # for the tasks to expand
task='trap : USR1 TERM INT; "$@"; code=$?; [ $code != 75 ] || sleep "$LINGER"; exit $code'
code=0
LINGER=${LINGER:-10} srun "${resources[@]}" --kill-on-bad-exit=1 \
    bash -c "$task" train python -u "$tools/train.py" "$3" --launcher slurm "${@:4}" \
    ${last[@]+"${last[@]}"} || code=$?
if [ "$code" = 75 ] && [ "${BATCH:-}" = inside ]; then
    scontrol requeue "$SLURM_JOB_ID"
elif [ "$code" = 75 ]; then
    echo "The training was stopped and has saved a checkpoint. Go on with the same command and --resume" >&2
fi
exit "$code"
