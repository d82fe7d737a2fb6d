# Inpainting pre-training of ViT-S/4 of 10 layers with self-attention on a tenth of
# ImageNet-1k: Fig. 5.
#
#   python data/imagenet_subset.py    # makes meta/train_10percent.txt
#   tools/dist_train.sh configs/vit_sa_s4_depth10_inpainting.py 8    # 8 GPUs x 32 images
#   python tools/train.py configs/vit_sa_s4_depth10_inpainting.py --auto-scale-lr    # one GPU
#
# Expect: no number, the figure shows clusters of tokens (docs/paper.md); not trained by us.
# Parameters: 13.69M.
#
# The paper's (A.1): 10 layers, a tenth of ImageNet. It gives no widths; these are
# A.5's of 12 layers: width and heads.
# lr 1e-4 as in A.2.
# The schedule, the mask and the loss are in _base_/inpainting.py.
_base_ = ['_base_/inpainting.py']
train_dataloader = dict(dataset=dict(ann_file='meta/train_10percent.txt'))
model = dict(
    backbone=dict(
        arch=dict(embed_dims=324, num_layers=10, num_heads=12, feedforward_channels=1296),
        mixer=dict(type='SA'),
    ),
    head=dict(in_channels=324),
)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = dict(eta_min_ratio=0.1)
