# ViT-XS/4 with static AFNO weights, inpainting pre-training on a tenth of ImageNet-1k: Table 6, row
# AFNO [Non-Adaptive Weights].
#
#   python data/imagenet_subset.py    # writes meta/train_10percent.txt
#   tools/dist_train.sh configs/vit_static_xs4_inpainting.py 8    # 8 GPUs x 32 images
#   python tools/train.py configs/vit_static_xs4_inpainting.py --auto-scale-lr    # one GPU
#
# Expect: 25.1 dB PSNR (the paper's number; not measured by us).
# Parameters: 16.09M.
#
# From the paper (A.6): width, 5 layers, four blocks, lambda 0.01, a tenth of ImageNet, 100 epochs.
# We read 'static' as one block-diagonal matrix per frequency, in place of an MLP that all
# frequencies share. With 28x14 frequencies they make its 16M parameters. They start at a scale that
# the modes keep; model.backbone.mixer.init=published sets that of AFNO's own start, 0.02. The bias
# is the identity, as AFNO's. The files in _base_ say what they take from the paper and what is our
# choice: imagenet_inpainting.py for the masks, inpainting.py for the loss, schedule_100e.py for the
# optimiser.
_base_ = [
    '_base_/models/vit_static_xs4.py',
    '_base_/models/inpainting.py',
    '_base_/datasets/imagenet_inpainting.py',
    '_base_/schedules/schedule_100e.py',
    '_base_/inpainting_runtime.py',
]
train_dataloader = dict(dataset=dict(ann_file='meta/train_10percent.txt'))
model = dict(backbone=_base_.pop('backbone'), head=dict(in_channels=124))
