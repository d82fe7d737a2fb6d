# Swin-T with AFNO in place of shifted windows, on Cityscapes: not in the paper.
#
#   tools/dist_train.sh configs/swin_afno_t_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: no number yet; not measured by us. Parameters: 24.05M. Widths and depths are Swin-T's,
# the mixer works on the whole map of its stage, and training starts from random weights.
_base_ = [
    '_base_/segformer.py',
    '_base_/cityscapes.py',
    '_base_/schedule_450e.py',
    '_base_/runtime.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='afno_mm.SegSwin',
        drop_path_rate=0.3,
        embed_dims=96,
        depths=[2, 2, 6, 2],
        num_heads=[3, 6, 12, 24],
        mixer=dict(type='AFNO', num_blocks=[1, 2, 4, 8], sparsity_threshold=0.01),
    ),
    decode_head=dict(in_channels=[96, 192, 384, 768], channels=768),
)
