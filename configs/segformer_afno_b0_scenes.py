# SegFormer-B0 with AFNO on example street scenes: a demo on a CPU.
#
#   python data/make_scenes.py data/scenes
#   python tools/train.py configs/segformer_afno_b0_scenes.py
#
# `tools/quickstart.sh segformer` does both.
#
# Expect: 37.7 mIoU. Version 0.1, which drew other random numbers, reached 38.1, and 36.3 from the
# weights of mit_afno_b0_images.py. Without a mixer (model.backbone.mixer.type=Identity) version 0.1
# reached 36.6: at this size the 3x3 convolutions of SegFormer's feed-forward layers mix most. See
# vit_afno_scenes.py for a network without them. Predicting the most frequent class of each pixel
# gives 11.6 (all measured by us, one seed).
#
# Model and data format are those of segformer_afno_b0_cityscapes.py. The network sees the 256x512
# images at half size. It trains from random weights, for minutes on 2 CPU cores.
_base_ = [
    '_base_/models/mit_afno_b0.py',
    '_base_/models/segformer.py',
    '_base_/datasets/scenes.py',
    '_base_/schedules/schedule_14e.py',
    '_base_/segmentation_runtime.py',
]
data_preprocessor = dict(size=(128, 256))
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=_base_.pop('backbone'),
    decode_head=dict(in_channels=[88, 136, 200, 256], channels=256),
    test_cfg=dict(_delete_=True, mode='whole'),
)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=7))
