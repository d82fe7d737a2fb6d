# ViT-S/4 with global filters (GFN) on ImageNet: Table 5, row GFN.
#
#   tools/dist_train.sh configs/vit_gfn_s4_imagenet.py 8    # 8 GPUs x 128 images
#
# Expect: 78.77 % top-1, 94.4 % top-5 (the paper's numbers, Table 5; not measured by us).
# Parameters: 16.36M.
#
# From the paper (A.5): width. The paper mentions neither a position embedding nor stochastic depth:
# both are as in MMPretrain, and the embedding is learned.
_base_ = [
    '_base_/models/vit_gfn_s4.py',
    '_base_/models/classifier.py',
    '_base_/datasets/imagenet.py',
    '_base_/schedules/schedule_300e.py',
    '_base_/classification_runtime.py',
]
model = dict(backbone=_base_.pop('backbone'), head=dict(in_channels=245))
