# ViT-B/4 with global filters (GFN), inpainting pre-training on ImageNet-1k: Table 2, row GFN.
#
#   tools/dist_train.sh configs/vit_gfn_b4_inpainting.py 8    # 8 GPUs x 32 images
#   python tools/train.py configs/vit_gfn_b4_inpainting.py --auto-scale-lr    # one GPU
#
# Expect: .928 SSIM, 26.76 dB PSNR (the paper's numbers; not measured by us).
# Parameters: 89.12M.
#
# From the paper (A.2): width, 12 layers, 4x4 patches, learning rate 1e-3. The filters are made for
# the 56x56 tokens. The files in _base_ say what they take from the paper and what is our choice:
# imagenet_inpainting.py for the masks, inpainting.py for the loss, schedule_100e.py for the
# optimiser.
_base_ = [
    '_base_/models/vit_gfn_b4.py',
    '_base_/models/inpainting.py',
    '_base_/datasets/imagenet_inpainting.py',
    '_base_/schedules/schedule_100e.py',
    '_base_/inpainting_runtime.py',
]
model = dict(backbone=_base_.pop('backbone'), head=dict(in_channels=768))
