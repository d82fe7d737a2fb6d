#!/usr/bin/env bash
# From nothing to trained models, in minutes on two CPU cores: installs, makes example data, trains,
# evaluates, draws predictions, and prints the scores beside those of what takes no training.
#   tools/quickstart.sh                   segmentation of street scenes
#   tools/quickstart.sh classification    classification of images, then, from its weights,
#                                         segmentation of street scenes
#   tools/quickstart.sh inpainting        inpainting of images, then, from its weights,
#                                         segmentation of faces from 16 examples
# Weights of so short a pre-training gain nothing in the end: the configs say what is reached
# without.
# A second run continues an unfinished training, or evaluates the finished one; delete
# work_dirs/quickstart to train anew.
set -euo pipefail
cd "$(dirname "$0")/.."
task=${1:-segmentation}
case $task in
segmentation | classification | inpainting) ;;
*) echo "usage: tools/quickstart.sh [segmentation|classification|inpainting], got $task" >&2; exit 2 ;;
esac
. tools/environment.sh ''

root=work_dirs/quickstart
run() { printf '\n$ %s\n' "$*"; "$@"; }

# train_and_test CONFIG FOLDER [OPTION ...]: the work dir is $root/FOLDER.
train_and_test() {
    local config=configs/$1.py work=$root/$2
    shift 2
    run python tools/train.py "$config" --work-dir "$work" --resume "$@"
    run python tools/test.py "$config" "$(cat "$work/last_checkpoint")" --work-dir "$work" \
        --show-dir "$work/overlays" --out "$work/metrics.json" --out-item metrics
}
# compare CONFIG FOLDER ...: the scores of its models beside those of what takes no training.
compare() {
    local config=configs/$1.py metrics
    shift
    metrics=("${@/#/$root/}")
    run python tools/baseline.py "$config" --beside "${metrics[@]/%//metrics.json}"
}
# from FOLDER: the options that start a training from its newest weights.
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
printf '\nPictures of predictions: %s\n' "$root/*/overlays"
