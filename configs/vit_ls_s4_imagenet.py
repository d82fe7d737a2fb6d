# ViT-S/4 with long-short attention (LS) on ImageNet: Table 5, row LS.
#
#   tools/dist_train.sh configs/vit_ls_s4_imagenet.py 8    # 8 GPUs x 128 images
#
# Expect: 80.87 % top-1, 95.31 % top-5 (the paper's numbers, Table 5; not measured by us).
# Parameters: 15.75M.
# The paper's (A.5): width, window and rank. Its heads are not given: 12, as for SA.
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
        arch=dict(embed_dims=312, num_layers=12, num_heads=12, feedforward_channels=1248),
        patch_size=4,
        with_cls_token=False,
        out_type='featmap',
        drop_path_rate=0.1,
        mixer=dict(type='LS', window_size=4, num_landmarks=8),
    ),
    head=dict(in_channels=312),
)
