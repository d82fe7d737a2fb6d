#!/usr/bin/env bash
# Install the package, make example data, train, test, and draw predictions. This takes minutes on
# two CPU cores. At the end, print the score of each model and a score that needs no training.
#   tools/quickstart.sh                   segment street scenes
#   tools/quickstart.sh classification    classify images, then segment street scenes
#   tools/quickstart.sh inpainting        inpaint images, then segment faces from 16 examples
# The last two run one task end to end and fine-tune a second task from its weights. Pre-training
# this short does not improve the second task; the config headers give the numbers.
# If you run a command again, it continues an unfinished training, or tests a finished one again.
# Delete work_dirs/quickstart to train from the beginning.
set -euo pipefail
cd "$(dirname "$0")/.."
task=${1:-segmentation}
case $task in
segmentation | classification | inpainting) ;;
*) echo "usage: tools/quickstart.sh [segmentation|classification|inpainting], not $task" >&2; exit 2 ;;
esac
. tools/environment.sh ''

root=work_dirs/quickstart
run() { printf '\n$ %s\n' "$*"; "$@"; }

# train_and_test CONFIG FOLDER [OPTION ...]: train and test a config in the work dir $root/FOLDER.
train_and_test() {
    local config=configs/$1.py work=$root/$2
    shift 2
    run python tools/train.py "$config" --work-dir "$work" --resume "$@"
    run python tools/test.py "$config" "$(cat "$work/last_checkpoint")" --work-dir "$work" \
        --show-dir "$work/overlays" --out "$work/metrics.json" --out-item metrics
}
# compare CONFIG FOLDER ...: print the scores from these folders and a score that needs no training.
compare() {
    local config=configs/$1.py metrics
    shift
    metrics=("${@/#/$root/}")
    run python tools/baseline.py "$config" --beside "${metrics[@]/%//metrics.json}"
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
    train_and_test segformer_afno_b0_scenes segmentation
    compare segformer_afno_b0_scenes segmentation
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
    train_and_test vit_afno_inpainting_demo inpainting
    train_and_test vit_afno_faces_demo faces_from_inpainting --cfg-options $(from inpainting)
    compare vit_afno_inpainting_demo inpainting
    compare vit_afno_faces_demo faces_from_inpainting
    ;;
esac
printf '\nPictures of the predictions are in %s\n' "$root/*/overlays"
