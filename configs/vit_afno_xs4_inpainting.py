# Inpainting pre-training of ViT-XS/4 with AFNO on a tenth of ImageNet-1k: Table 6, row AFNO.
#
#   python data/imagenet_subset.py    # makes meta/train_10percent.txt
#   tools/dist_train.sh configs/vit_afno_xs4_inpainting.py 8    # 8 GPUs x 32 images
#   python tools/train.py configs/vit_afno_xs4_inpainting.py --auto-scale-lr    # one GPU
#
# Expect: 25.69 dB PSNR (the paper's; not measured by us). Parameters: 17.27M.
#
# The paper's (A.6): width, 5 layers, four blocks, lambda 0.01, a tenth of ImageNet, 100 epochs.
# The bias is not given: identity (Fig. 3), for a convolution would make 18.98M parameters. The
# schedule, the mask and the loss are in _base_/inpainting.py.
_base_ = ['_base_/inpainting.py']
train_dataloader = dict(dataset=dict(ann_file='meta/train_10percent.txt'))
model = dict(
    backbone=dict(
        arch=dict(embed_dims=584, num_layers=5, num_heads=1, feedforward_channels=2336),
        mixer=dict(type='AFNO', num_blocks=4, sparsity_threshold=0.01),
    ),
    head=dict(in_channels=584),
)
