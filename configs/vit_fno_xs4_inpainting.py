# Inpainting pre-training of ViT-XS/4 with FNO on a tenth of ImageNet-1k: Table 6, row FNO.
#
#   python data/imagenet_subset.py    # makes meta/train_10percent.txt
#   tools/dist_train.sh configs/vit_fno_xs4_inpainting.py 8    # 8 GPUs x 32 images
#   python tools/train.py configs/vit_fno_xs4_inpainting.py --auto-scale-lr    # one GPU
#
# Expect: 24.8 dB PSNR (the paper's; not measured by us). Parameters: 16.43M.
#
# The paper's (A.6): width, 5 layers, a tenth of ImageNet, 100 epochs. Its modes are not given:
# 28x14 of the 56x29 frequencies make its 16M parameters. The schedule, the mask and the loss
# are in _base_/inpainting.py.
_base_ = ['_base_/inpainting.py']
train_dataloader = dict(dataset=dict(ann_file='meta/train_10percent.txt'))
model = dict(
    backbone=dict(
        arch=dict(embed_dims=64, num_layers=5, num_heads=1, feedforward_channels=256),
        mixer=dict(type='FNO', num_modes=(14, 14)),
    ),
    head=dict(in_channels=64),
)
