# ViT-S/4 with self-attention (SA) on ImageNet: A.5.
#
#   tools/dist_train.sh configs/vit_sa_s4_imagenet.py 8    # 8 GPUs x 128 images
#
# Expect: no number, Table 5 has no row for it; not measured by us.
# Parameters: 16.52M.
# The paper's (A.5): width and heads.
# The position embedding, its learning and stochastic depth are not in the paper: MMPretrain's.
_base_ = [
    '_base_/classifier.py',
    '_base_/imagenet.py',
    '_base_/schedule_300e.py',
    '_base_/mmpretrain_runtime.py',
]
model = dict(
    backbone=dict(
        type='afno_mm.ViT',
        arch=dict(embed_dims=324, num_layers=12, num_heads=12, feedforward_channels=1296),
        patch_size=4,
        with_cls_token=False,
        out_type='featmap',
        drop_path_rate=0.1,
        mixer=dict(type='SA'),
    ),
    head=dict(in_channels=324),
)
