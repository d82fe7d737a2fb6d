#!/usr/bin/env bash
# From nothing to trained models, in minutes on two CPU cores: installs, makes example data, trains,
# evaluates, prints what takes no training beside it, and draws predictions.
#   tools/quickstart.sh                   segmentation of street scenes
#   tools/quickstart.sh classification    classification of images, then the same segmentation
#   tools/quickstart.sh inpainting        inpainting of images, then few-shot segmentation of faces
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

# glibc keeps large buffers for the next step in place of giving them back: a fifth faster on CPUs.
export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592

unset CITYSCAPES_DATASET IMAGENET_DATASET PARTS_DATASET  # the example data, not yours
root=work_dirs/quickstart
run() { printf '\n$ %s\n' "$*"; "$@"; }

# train_and_test CONFIG FOLDER [OPTION ...]: the work dir is $root/FOLDER; the newest weights are
# those of "$(newest FOLDER)".
newest() { cat "$root/$1/last_checkpoint"; }
train_and_test() {
    local config=configs/$1.py work=$root/$2
    shift 2
    run python tools/train.py "$config" --work-dir "$work" --resume "$@"
    run python tools/test.py "$config" "$(cat "$work/last_checkpoint")" --work-dir "$work" \
        --show-dir "$work/overlays" --out "$work/metrics.json" --out-item metrics
    run python tools/baseline.py "$config" --beside "$work/metrics.json"
    echo "Predictions: $work/overlays/vis_data/vis_image"
}
from() { echo "model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=$1"; }

case $task in
segmentation)
    run python tools/make_scenes.py data/scenes --workers "$(nproc)"
    train_and_test segformer_afno_b0_scenes segmentation
    ;;
classification)
    run python tools/make_images.py data/images
    run python tools/make_scenes.py data/scenes --workers "$(nproc)"
    train_and_test mit_afno_b0_images classification
    # shellcheck disable=SC2046
    train_and_test segformer_afno_b0_scenes segmentation_from_classification \
        --cfg-options $(from "$(newest classification)")
    ;;
inpainting)
    run python tools/make_images.py data/images
    run python tools/make_parts.py data/parts --workers "$(nproc)"
    train_and_test vit_afno_inpainting_demo inpainting
    # shellcheck disable=SC2046
    train_and_test vit_afno_faces_demo faces_from_inpainting \
        --cfg-options $(from "$(newest inpainting)")
    ;;
esac
