# ViT-B/4 with self-attention (SA), inpainting pre-training on ImageNet-1k: Table 2, row
# Self-Attention.
#
#   tools/dist_train.sh configs/vit_sa_b4_inpainting.py 8    # 8 GPUs x 32 images
#   python tools/train.py configs/vit_sa_b4_inpainting.py --auto-scale-lr    # one GPU
#
# Expect: .931 SSIM, 27.06 dB PSNR (the paper's numbers; not measured by us).
# Parameters: 87.54M.
#
# From the paper (A.2): width, 12 layers, '16 attention heads' (ViT-B's own number is 12), 4x4
# patches, learning rate 1e-4. The files in _base_ say what they take from the paper and what is our
# choice: imagenet_inpainting.py for the masks, inpainting.py for the loss, schedule_100e.py for the
# optimiser.
_base_ = [
    '_base_/models/vit_sa_b4.py',
    '_base_/models/inpainting.py',
    '_base_/datasets/imagenet_inpainting.py',
    '_base_/schedules/schedule_100e.py',
    '_base_/inpainting_runtime.py',
]
model = dict(backbone=_base_.pop('backbone'), head=dict(in_channels=768))
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = dict(eta_min_ratio=0.1)  # down to 1e-5, as for the other mixers
