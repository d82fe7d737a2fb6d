#!/usr/bin/env bash
# Install the package, make example data, train, test, and draw predictions. This takes minutes on
# two CPU cores. At the end, print the score of each model and a score that needs no training.
#   tools/quickstart.sh                   segment street scenes, with AFNO and without a mixer
#   tools/quickstart.sh segformer         segment street scenes with a small SegFormer
#   tools/quickstart.sh classification    classify images, then segment street scenes
#   tools/quickstart.sh inpainting        inpaint images, with AFNO and without a mixer; then faces
# The last two run one task end to end and fine-tune a second task from its weights. Pre-training
# this short does not improve the second task; the config headers give the numbers.
# If you run a command again, it continues an unfinished training, or tests a finished one again.
# Delete work_dirs/quickstart to train from the beginning.
set -euo pipefail
cd "$(dirname "$0")/.."
task=${1:-segmentation}
case $task in
-h | --help)
    sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
segmentation | segformer | classification | inpainting) ;;
*)
    echo "usage: tools/quickstart.sh [segmentation|segformer|classification|inpainting]," \
        "not $task" >&2
    exit 2
    ;;
esac
. tools/environment.sh ''

root=work_dirs/quickstart
run() { printf '\n$ %s\n' "$*"; "$@"; }

# train_and_test CONFIG FOLDER [OPTION ...]: train and test a config in the work dir $root/FOLDER.
# The options are those that tools/train.py and tools/test.py share.
train_and_test() {
    local config=configs/$1.py work=$root/$2
    shift 2
    run python tools/train.py "$config" --work-dir "$work" --resume "$@"
    run python tools/test.py "$config" "$(cat "$work/last_checkpoint")" --work-dir "$work" \
        --show-dir "$work/overlays" --out "$work/metrics.json" --out-item metrics "$@"
}

control= # the process group of the training without a mixer, while it runs
# On Ctrl-C and on errors, send SIGINT to this training too. It then saves a checkpoint.
stop_control() {
    if [ -n "$control" ]; then
        { kill -INT -- "-$control" && wait "$control"; } 2>/dev/null || true
    fi
}
trap stop_control EXIT

# with_and_without_mixer CONFIG FOLDER: train and test a config in FOLDER and, at the same time, the
# same network without its mixer in FOLDER_no_mixer. Each gets one core, the same data and seed.
with_and_without_mixer() {
    local -x OMP_NUM_THREADS=1
    local log=$root/$2_no_mixer.log
    mkdir -p "$root"
    printf '\nThe same network without its mixer trains too. Its output goes to %s\n' "$log"
    set -m # a process group of its own, so that the trap stops all of it
    train_and_test "$1" "$2_no_mixer" --cfg-options model.backbone.mixer.type=Identity \
        </dev/null >"$log" 2>&1 &
    control=$!
    set +m
    train_and_test "$1" "$2"
    if ! wait "$control"; then
        control=
        tail -n 30 "$log" >&2
        echo "The training without a mixer failed. All of its output is in $log" >&2
        exit 1
    fi
    control=
}
# compare CONFIG FOLDER: print the score in FOLDER, the score in FOLDER_no_mixer if it exists, and a
# score that needs no training.
compare() {
    local metrics=("$root/$2/metrics.json") names=()
    if [ -e "$root/$2_no_mixer/metrics.json" ]; then
        metrics=("$root/$2_no_mixer/metrics.json" "${metrics[@]}")
        names=(--names 'no mixer' AFNO)
    fi
    run python tools/baseline.py "configs/$1.py" --beside "${metrics[@]}" "${names[@]}"
}
# draw CONFIG FOLDER: draw the predictions of both models beside the truth.
draw() {
    local models=() folder
    for folder in "$root/$2_no_mixer" "$root/$2"; do
        models+=("$folder/$1.py" "$(cat "$folder/last_checkpoint")")
    done
    run python tools/draw_predictions.py "${models[@]}" --names 'no mixer' AFNO --out "$root/$2.jpg"
}
# from FOLDER: print the options that start a training from the newest weights in this folder.
from() {
    echo model.backbone.init_cfg.type=Pretrained \
        "model.backbone.init_cfg.checkpoint=$(cat "$root/$1/last_checkpoint")"
}

# shellcheck disable=SC2046
case $task in
segmentation)
    run python data/make_scenes.py data/scenes --workers "$(nproc)"
    with_and_without_mixer vit_afno_scenes segmentation
    draw vit_afno_scenes segmentation
    compare vit_afno_scenes segmentation
    printf '\nBoth models beside the truth: %s\n' "$root/segmentation.jpg"
    ;;
segformer)
    run python data/make_scenes.py data/scenes --workers "$(nproc)"
    train_and_test segformer_afno_b0_scenes segformer
    compare segformer_afno_b0_scenes segformer
    ;;
classification)
    run python data/make_images.py data/images
    run python data/make_scenes.py data/scenes --workers "$(nproc)"
    train_and_test mit_afno_b0_images classification
    train_and_test segformer_afno_b0_scenes segmentation_from_classification \
        --cfg-options $(from classification)
    compare mit_afno_b0_images classification
    compare segformer_afno_b0_scenes segmentation_from_classification
    ;;
inpainting)
    run python data/make_images.py data/images
    run python data/make_parts.py data/parts --workers "$(nproc)"
    with_and_without_mixer vit_afno_inpainting_demo inpainting
    train_and_test vit_afno_faces_demo faces_from_inpainting --cfg-options $(from inpainting)
    compare vit_afno_inpainting_demo inpainting
    compare vit_afno_faces_demo faces_from_inpainting
    ;;
esac
printf '\nPictures of the predictions are in %s\n' "$root/*/overlays"
