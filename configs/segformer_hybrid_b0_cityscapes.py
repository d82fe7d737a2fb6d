# SegFormer-B0 with AFNO in the early stages and attention in the late ones, on Cityscapes.
#
#   tools/dist_train.sh configs/segformer_hybrid_b0_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: no number. The paper has no such model; not measured by us.
# Parameters: 3.73M; stock SegFormer-B0 has 3.72M.
#
# At 1024x1024 pixels the first two stages have 65 536 and 16 384 tokens, for which AFNO grows less
# than attention. In the last two, attention is cheap. All other settings are those of
# segformer_afno_b0_cityscapes.py.
_base_ = [
    '_base_/models/mit_hybrid_b0.py',
    '_base_/models/segformer.py',
    '_base_/datasets/cityscapes.py',
    '_base_/schedules/schedule_450e.py',
    '_base_/segmentation_runtime.py',
]
model = dict(
    backbone=_base_.pop('backbone'), decode_head=dict(in_channels=[64, 128, 160, 240], channels=256)
)
