# ViT-S/4 with self-attention (SA) on ImageNet: A.5.
#
#   tools/dist_train.sh configs/vit_sa_s4_imagenet.py 8    # 8 GPUs x 128 images
#
# Expect: no number. Table 5 has no row for this model; not measured by us.
# Parameters: 16.52M.
#
# From the paper (A.5): width and heads. The paper mentions neither a position embedding nor
# stochastic depth: both are as in MMPretrain, and the embedding is learned.
_base_ = [
    '_base_/models/vit_sa_s4.py',
    '_base_/models/classifier.py',
    '_base_/datasets/imagenet.py',
    '_base_/schedules/schedule_300e.py',
    '_base_/classification_runtime.py',
]
model = dict(backbone=_base_.pop('backbone'), head=dict(in_channels=324))
