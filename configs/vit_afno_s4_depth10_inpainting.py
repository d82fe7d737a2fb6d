# ViT-S/4 of 10 layers with AFNO, inpainting pre-training on a tenth of ImageNet-1k: Fig. 5.
#
#   python data/imagenet_subset.py    # writes meta/train_10percent.txt
#   tools/dist_train.sh configs/vit_afno_s4_depth10_inpainting.py 8    # 8 GPUs x 32 images
#   python tools/train.py configs/vit_afno_s4_depth10_inpainting.py --auto-scale-lr    # one GPU
#
# Expect: no number. The figure shows clusters of tokens (docs/paper.md); not trained by us.
# Parameters: 13.46M.
#
# From the paper (A.1): 10 layers, a tenth of ImageNet. A.1 does not give the widths. We take from
# A.5, which has 12 layers: width and blocks. lambda is that of the ablations (5.5, A.6), because
# 0.1 lets almost nothing through at this width (docs/mixers/afno.md). The bias is the identity
# (Fig. 3).
# The files in _base_ say what they take from the paper and what is our choice:
# imagenet_inpainting.py for the masks, inpainting.py for the loss, schedule_100e.py for the
# optimiser.
_base_ = [
    '_base_/models/vit_afno_s4_depth10.py',
    '_base_/models/inpainting.py',
    '_base_/datasets/imagenet_inpainting.py',
    '_base_/schedules/schedule_100e.py',
    '_base_/inpainting_runtime.py',
]
train_dataloader = dict(dataset=dict(ann_file='meta/train_10percent.txt'))
model = dict(backbone=_base_.pop('backbone'), head=dict(in_channels=384))
