# SegFormer-B0 on example street scenes with AFNO in its first two stages, then efficient
# self-attention (ESA): the network of segformer_hybrid_b0_cityscapes.py, on a CPU.
#
#   python data/make_scenes.py data/scenes
#   python tools/train.py configs/segformer_hybrid_b0_scenes.py
#
# Expect: no number for these 14 epochs. docs/evidence.md has 7 epochs at four image sizes.
#
# Data, schedule and seed are those of segformer_afno_b0_scenes.py.
_base_ = [
    '_base_/models/mit_hybrid_b0.py',
    '_base_/models/segformer.py',
    '_base_/datasets/scenes.py',
    '_base_/schedules/schedule_14e.py',
    '_base_/segmentation_runtime.py',
]
data_preprocessor = dict(size=(128, 256))
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=_base_.pop('backbone'),
    decode_head=dict(in_channels=[64, 128, 160, 240], channels=256),
    test_cfg=dict(_delete_=True, mode='whole'),
)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=7))
