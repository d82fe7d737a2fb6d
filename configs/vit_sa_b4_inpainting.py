# Inpainting pre-training of ViT-B/4 with self-attention on ImageNet-1k:
# Table 2, row Self-Attention.
#
#   tools/dist_train.sh configs/vit_sa_b4_inpainting.py 8    # 8 GPUs x 32 images
#   python tools/train.py configs/vit_sa_b4_inpainting.py --auto-scale-lr    # one GPU
#
# Expect: .931 SSIM, 27.06 dB PSNR (the paper's; not measured by us). Parameters: 87.54M.
#
# The paper's (A.2): width, 12 layers, '16 attention heads' (ViT-B's own is 12), 4x4 patches,
# lr 1e-4. The schedule, the mask and the loss are in _base_/inpainting.py.
_base_ = ['_base_/inpainting.py']
model = dict(
    backbone=dict(
        arch=dict(embed_dims=768, num_layers=12, num_heads=16, feedforward_channels=3072),
        mixer=dict(type='SA'),
    ),
    head=dict(in_channels=768),
)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = dict(eta_min_ratio=0.1)
