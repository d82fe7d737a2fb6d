# ViT-S/4 with global filters (GFN) on ImageNet: Table 5, row GFN.
#
#   tools/dist_train.sh configs/vit_gfn_s4_imagenet.py 8    # 8 GPUs x 128 images
#
# Expect: 78.77 % top-1, 94.4 % top-5 (the paper's numbers, Table 5; not measured by us).
# Parameters: 16.36M.
# The paper's (A.5): width.
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
        arch=dict(embed_dims=245, num_layers=12, num_heads=1, feedforward_channels=980),
        patch_size=4,
        with_cls_token=False,
        out_type='featmap',
        drop_path_rate=0.1,
        mixer=dict(type='GFN'),
    ),
    head=dict(in_channels=245),
)
