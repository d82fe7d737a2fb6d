# ViT-S/4 of 10 layers with long-short attention (LS), inpainting pre-training on a tenth of
# ImageNet-1k: Fig. 5.
#
#   python data/imagenet_subset.py    # writes meta/train_10percent.txt
#   tools/dist_train.sh configs/vit_ls_s4_depth10_inpainting.py 8    # 8 GPUs x 32 images
#   python tools/train.py configs/vit_ls_s4_depth10_inpainting.py --auto-scale-lr    # one GPU
#
# Expect: no number. The figure shows clusters of tokens (docs/paper.md); not trained by us.
# Parameters: 13.04M.
#
# From the paper (A.1): 10 layers, a tenth of ImageNet. A.1 does not give the widths. We take from
# A.5, which has 12 layers: width, window and rank. The 12 heads are those of SA. The files in
# _base_ say what they take from the paper and what is our choice: imagenet_inpainting.py for the
# masks, inpainting.py for the loss, schedule_100e.py for the optimiser.
_base_ = [
    '_base_/models/vit_ls_s4_depth10.py',
    '_base_/models/inpainting.py',
    '_base_/datasets/imagenet_inpainting.py',
    '_base_/schedules/schedule_100e.py',
    '_base_/inpainting_runtime.py',
]
train_dataloader = dict(dataset=dict(ann_file='meta/train_10percent.txt'))
model = dict(backbone=_base_.pop('backbone'), head=dict(in_channels=312))
