# Swin-T with AFNO in place of shifted windows, on Cityscapes: not in the paper.
#
#   tools/dist_train.sh configs/swin_afno_t_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: no number yet; not measured by us. Parameters: 24.05M.
#
# Widths and depths are those of Swin-T. The mixer works on the whole feature map of its stage.
# Training starts from random weights.
_base_ = [
    '_base_/models/swin_t.py',
    '_base_/models/segformer.py',
    '_base_/datasets/cityscapes.py',
    '_base_/schedules/schedule_450e.py',
    '_base_/segmentation_runtime.py',
]
model = dict(
    backbone=dict(
        _base_.pop('backbone'),
        mixer=dict(type='AFNO', num_blocks=[1, 2, 4, 8], sparsity_threshold=0.01),
    ),
    decode_head=dict(in_channels=[96, 192, 384, 768], channels=768),
)
