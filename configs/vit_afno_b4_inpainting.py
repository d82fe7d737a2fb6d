# ViT-B/4 with AFNO, inpainting pre-training on ImageNet-1k: Table 2, row AFNO.
#
#   tools/dist_train.sh configs/vit_afno_b4_inpainting.py 8    # 8 GPUs x 32 images
#   python tools/train.py configs/vit_afno_b4_inpainting.py --auto-scale-lr    # one GPU
#
# Expect: .931 SSIM, 27.05 dB PSNR (the paper's numbers; not measured by us).
# Parameters: 90.30M.
#
# From the paper (A.2): width, 12 layers, one block, lambda 0.1, a 1D convolution as the bias, 4x4
# patches, learning rate 1e-3. The convolution has kernel size 1, which follows from the parameters
# in Table 1. The files in _base_ say what they take from the paper and what is our choice:
# imagenet_inpainting.py for the masks, inpainting.py for the loss, schedule_100e.py for the
# optimiser.
#
# Ablation 5.5 finds lambda 0.01 best:
#   --cfg-options model.backbone.mixer.sparsity_threshold=0.01
_base_ = [
    '_base_/models/vit_afno_b4.py',
    '_base_/models/inpainting.py',
    '_base_/datasets/imagenet_inpainting.py',
    '_base_/schedules/schedule_100e.py',
    '_base_/inpainting_runtime.py',
]
model = dict(backbone=_base_.pop('backbone'), head=dict(in_channels=750))
