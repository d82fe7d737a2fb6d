# Inpainting pre-training of ViT-XS/4 with AFNO with static weights on a tenth of ImageNet-1k:
# Table 6, row AFNO [Non-Adaptive Weights].
#
#   python data/imagenet_subset.py    # makes meta/train_10percent.txt
#   tools/dist_train.sh configs/vit_static_xs4_inpainting.py 8    # 8 GPUs x 32 images
#   python tools/train.py configs/vit_static_xs4_inpainting.py --auto-scale-lr    # one GPU
#
# Expect: 25.1 dB PSNR (the paper's; not measured by us). Parameters: 16.09M.
#
# The paper's (A.6): width, 5 layers, four blocks, lambda 0.01, a tenth of ImageNet, 100 epochs.
# 'Static' is read as block-diagonal weights of each frequency in place of an MLP for all; with
# 28x14 frequencies they make its 16M parameters. The schedule, the mask and the loss are in
# _base_/inpainting.py.
_base_ = ['_base_/inpainting.py']
train_dataloader = dict(dataset=dict(ann_file='meta/train_10percent.txt'))
model = dict(
    backbone=dict(
        arch=dict(embed_dims=124, num_layers=5, num_heads=1, feedforward_channels=496),
        mixer=dict(type='StaticAFNO', num_blocks=4, num_modes=(14, 14), sparsity_threshold=0.01),
    ),
    head=dict(in_channels=124),
)
