# Inpainting pre-training of ViT-B/4 with AFNO on ImageNet-1k: Table 2, row AFNO.
#
#   tools/dist_train.sh configs/vit_afno_b4_inpainting.py 8    # 8 GPUs x 32 images
#   python tools/train.py configs/vit_afno_b4_inpainting.py --auto-scale-lr    # one GPU
#
# Expect: .931 SSIM, 27.05 dB PSNR (the paper's; not measured by us). Parameters: 90.30M.
#
# The paper's (A.2): width, 12 layers, one block, lambda 0.1, a 1D convolution as the bias (of
# kernel 1, as Table 1's parameters have it), 4x4 patches, lr 1e-3. lambda 0.01 is best in 5.5:
#   --cfg-options model.backbone.mixer.sparsity_threshold=0.01
# The schedule, the mask and the loss are in _base_/inpainting.py.
_base_ = ['_base_/inpainting.py']
model = dict(
    backbone=dict(
        arch=dict(embed_dims=750, num_layers=12, num_heads=1, feedforward_channels=3000),
        mixer=dict(type='AFNO', num_blocks=1, sparsity_threshold=0.1, bias='conv'),
    ),
    head=dict(in_channels=750),
)
