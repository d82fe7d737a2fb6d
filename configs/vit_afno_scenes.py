# A small ViT with AFNO on example street scenes: a demo of what the mixer does, on a CPU.
#
#   python data/make_scenes.py data/scenes
#   python tools/train.py configs/vit_afno_scenes.py
#   python tools/train.py configs/vit_afno_scenes.py --work-dir work_dirs/vit_none_scenes \
#       --cfg-options model.backbone.mixer.type=Identity    # the same network without mixer
#
# Expect: 24.0 mIoU with AFNO and 21.2 without mixer, the means of three seeds. Measured by us with
# tools/test.py and tools/baseline.py, torch 2.14.1, one thread of an AMD EPYC that others used too:
#
#   mIoU with randomness.seed=     0      1      2    mean (standard deviation)
#   AFNO                       23.99  23.29  24.80    24.03 (0.76)
#   no mixer                   21.03  21.24  21.20    21.16 (0.11)
#   difference                  2.96   2.05   3.60     2.87 (0.78)
#   most frequent class of each pixel                 11.63
#
# The worst AFNO is 2.05 above the best network without mixer. Three seeds show the direction. The
# size is uncertain: its standard error is 0.45. Parameters: 2.15M with AFNO, 1.92M without mixer.
#
# Only the mixer connects the patches of 8x8 pixels: the decoder is linear, and the feed-forward has
# no convolution, unlike SegFormer's. Data, schedule and seed are those of
# segformer_afno_b0_scenes.py. It trains for five minutes on one CPU core. tools/quickstart.sh
# trains both networks with seed 0.
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
