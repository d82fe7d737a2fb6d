# ViT-S/4 with AFNO on ImageNet: Table 5, row AFNO.
#
#   tools/dist_train.sh configs/vit_afno_s4_imagenet.py 8    # 8 GPUs x 128 images
#
# Expect: 80.89 % top-1, 95.39 % top-5 (the paper's numbers, Table 5; not measured by us).
# Parameters: 18.04M.
#
# From the paper (A.5): width, blocks, lambda and the convolution as bias. The '16M' parameters of
# the table are those of the identity as bias (16.27M), mixer.bias=identity. docs/mixers/afno.md
# shows how little lambda 0.1 lets through at first; mixer.init=scaled or
# mixer.sparsity_threshold=0.01 let more through. The paper mentions neither a position embedding
# nor stochastic depth: both are as in MMPretrain, and the embedding is learned.
_base_ = [
    '_base_/models/vit_afno_s4.py',
    '_base_/models/classifier.py',
    '_base_/datasets/imagenet.py',
    '_base_/schedules/schedule_300e.py',
    '_base_/classification_runtime.py',
]
model = dict(backbone=_base_.pop('backbone'), head=dict(in_channels=384))
