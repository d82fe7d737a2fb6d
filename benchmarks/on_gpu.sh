#!/usr/bin/env bash
# Measure everything that needs a GPU, in steps of less than nine minutes each.
#
#   benchmarks/on_gpu.sh OUT [STEP ...]
#
# Writes tables and raw values to OUT. A step that has finished is skipped, so the same command goes
# on after a stop; delete OUT/STEP.done to run a step again. Without names all steps run. A step that
# fails does not stop the others; the exit code is 1 if any failed.
#
# DTYPES and ONLY make it shorter: DTYPES='bf16 tf32' ONLY='triton physicsnemo'.
# It downloads nothing. Install before: pip install -e '.[tests,bench]'
# DEVICE=cpu TINY=1 runs it without a GPU at tiny sizes, to try the script itself.
set -uo pipefail
case "${1:-}" in -h | --help) sed -n '2,13s/^# \?//p' "$0"; exit 0 ;; esac
self=$(realpath "$0")
out=${1:?usage: benchmarks/on_gpu.sh OUT [STEP ...]}
shift
device=${DEVICE:-cuda}
seconds=${STEP_SECONDS:-530}
python=${PYTHON:-python}
mkdir -p "$out"
out=$(realpath "$out")
cd "$(dirname "$self")/.."

bench() {
  # shellcheck disable=SC2086
  "$python" benchmarks/benchmark_mixers.py --device "$device" "$@" ${ONLY:+--only $ONLY}
}
steps() { "$python" benchmarks/training_steps.py --device "$device" --out "$out/steps.json" "$@"; }

configs=(configs/segformer_{afno,esa,gfn,ls}_b3_cityscapes.py)
stages=() mit=() model=() tiny=()
read -ra dtypes <<< "${DTYPES:-bf16 fp16 tf32 fp32}"
if [ -n "${TINY:-}" ]; then
  configs=(configs/segformer_afno_b0_cityscapes.py)
  stages=(--shapes 8x8x16/2 --repeats 1 --batch-size 1)
  mit=(--shapes 64x64 --variant b0 --repeats 1 --batch-size 1)
  model=("${mit[@]}")
  ONLY=${ONLY:-AFNO}
  tiny=(--size 64 64 --batch-size 2 --repeats 1)
  dtypes=(bf16)
fi

tests() { "$python" -m pytest tests/ops/test_afno_triton.py -n "${WORKERS:-4}" -p no:cacheprovider; }
stages() {
  for dtype in "${dtypes[@]}"; do
    bench --suite stages --dtype "$dtype" --out "$out/stages_$dtype" "${stages[@]}" || return
  done
}
mixers() { bench --suite mit --dtype bf16 --out "$out/mit_bf16" "${mit[@]}"; }
graphs() {
  [[ $device == cuda* ]] || return 0
  bench --suite stages --dtype bf16 --cuda-graphs --out "$out/stages_bf16_graphs" "${stages[@]}" &&
    bench --suite mit --dtype bf16 --cuda-graphs --out "$out/mit_bf16_graphs" "${mit[@]}"
}
transforms() {
  local sizes=(--out "$out/transforms.json")
  [ -z "${TINY:-}" ] || sizes+=(--sides 8 --dtypes fp32 --channels 4 --batch-size 1 --repeats 1)
  "$python" benchmarks/transform_threshold.py --device "$device" "${sizes[@]}"
}
model() { bench --suite model --dtype bf16 --out "$out/model_bf16" "${model[@]:---shapes=1024x1024}"; }
training() { steps "${configs[@]}" "${tiny[@]}"; }
fp32() { steps "${configs[0]}" --dtype fp32 "${tiny[@]}"; }
large() {
  [ -z "${TINY:-}" ] || return 0
  steps configs/segformer_{afno,esa}_b3_cityscapes.py --size 2048 2048 --batch-size 2 --repeats 3 || return
  steps configs/segformer_{afno,esa}_b3_cityscapes.py --size 4096 4096 --batch-size 1 --repeats 2
}
compiled() {
  [ -z "${TINY:-}" ] || return 0
  steps configs/segformer_{afno,esa}_b3_cityscapes.py --compile
}
study() {
  [ -z "${TINY:-}" ] || return 0
  "$python" data/make_images.py data/images || return  # It goes on where it was stopped.
  timeout "$seconds" "$python" tools/sweep.py configs/sweeps/study.py --jobs 4 \
    --work-dir "$out/study" --small
}
tables() { "$python" benchmarks/gpu_table.py "$out"; }

all=(tests stages mixers graphs transforms model training fp32 large compiled study tables)
if [ -n "${ON_GPU_STEP:-}" ]; then
  "$ON_GPU_STEP"
  exit
fi
failed=0
for step in "${@:-${all[@]}}"; do
  case " ${all[*]} " in
    *" $step "*) ;;
    *) echo "there is no step '$step'; there are: ${all[*]}" >&2; exit 2 ;;
  esac
  if [ -e "$out/$step.done" ]; then
    echo "$step: done before"
    continue
  fi
  echo "$step: $(date -u +%H:%M:%S)"
  # A function cannot run under timeout, so the script calls itself for the step.
  if ON_GPU_STEP=$step timeout "$seconds" "$self" "$out" > "$out/$step.log" 2>&1; then
    touch "$out/$step.done"
    [ "$step" != tables ] || cat "$out/tables.log"
  else
    failed=1
    echo "$step failed or took more than $seconds s; see $out/$step.log" >&2
    tail -n 5 "$out/$step.log" >&2
  fi
done
rm -f "$out/tables.done"
exit "$failed"
