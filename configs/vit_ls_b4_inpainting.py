# ViT-B/4 with long-short attention (LS), inpainting pre-training on ImageNet-1k: Table 2, row LS.
#
#   tools/dist_train.sh configs/vit_ls_b4_inpainting.py 8    # 8 GPUs x 32 images
#   python tools/train.py configs/vit_ls_b4_inpainting.py --auto-scale-lr    # one GPU
#
# Expect: .920 SSIM, 26.18 dB PSNR (the paper's numbers; not measured by us).
# Parameters: 88.46M.
#
# From the paper (A.2): width, 12 layers, window 4, rank 8, 4x4 patches, learning rate 1e-3. It does
# not give the heads: 12 is ViT-B's own number. The files in _base_ say what they take from the
# paper and what is our choice: imagenet_inpainting.py for the masks, inpainting.py for the loss,
# schedule_100e.py for the optimiser.
_base_ = [
    '_base_/models/vit_ls_b4.py',
    '_base_/models/inpainting.py',
    '_base_/datasets/imagenet_inpainting.py',
    '_base_/schedules/schedule_100e.py',
    '_base_/inpainting_runtime.py',
]
model = dict(backbone=_base_.pop('backbone'), head=dict(in_channels=768))
