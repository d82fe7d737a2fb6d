# A small ViT with AFNO on example street scenes: a demo of what the mixer does, on a CPU.
#
#   python data/make_scenes.py data/scenes
#   python tools/train.py configs/vit_afno_scenes.py
#   python tools/train.py configs/vit_afno_scenes.py --work-dir work_dirs/vit_none_scenes \
#       --cfg-options model.backbone.mixer.type=Identity    # the same network without mixer
#
# Expect: 24 to 25 mIoU with AFNO and about 21 without mixer. These are single trainings of a
# prototype of this config, which has not been verified with it yet. Predicting the most frequent
# class of each pixel gives 11.6 (measured by us). Parameters: 2.15M.
#
# Only the mixer connects the patches of 8x8 pixels: the decoder is linear, and the feed-forward of
# a ViT has no convolution, other than that of SegFormer. Data, schedule and seed are those of
# segformer_afno_b0_scenes.py. It trains for minutes on one CPU core.
_base_ = [
    '_base_/models/vit_afno_scenes.py',
    '_base_/models/vit_segmentor.py',
    '_base_/datasets/scenes.py',
    '_base_/schedules/schedule_14e.py',
    '_base_/segmentation_runtime.py',
]
data_preprocessor = dict(size=(128, 256))
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(_base_.pop('backbone'), drop_path_rate=0.0),
    decode_head=dict(in_channels=192, channels=192),
    test_cfg=dict(_delete_=True, mode='whole'),
)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=7))
