# Inpainting pre-training of ViT-B/4 with global filters on ImageNet-1k: Table 2, row GFN.
#
#   tools/dist_train.sh configs/vit_gfn_b4_inpainting.py 8    # 8 GPUs x 32 images
#   python tools/train.py configs/vit_gfn_b4_inpainting.py --auto-scale-lr    # one GPU
#
# Expect: .928 SSIM, 26.76 dB PSNR (the paper's; not measured by us). Parameters: 89.12M.
#
# The paper's (A.2): width, 12 layers, 4x4 patches, lr 1e-3. Filters of the 56x56 tokens. The
# schedule, the mask and the loss are in _base_/inpainting.py.
_base_ = ['_base_/inpainting.py']
model = dict(
    backbone=dict(
        arch=dict(embed_dims=768, num_layers=12, num_heads=12, feedforward_channels=3072),
        mixer=dict(type='GFN'),
    ),
    head=dict(in_channels=768),
)
