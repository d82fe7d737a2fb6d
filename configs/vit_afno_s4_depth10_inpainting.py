# Inpainting pre-training of ViT-S/4 of 10 layers with AFNO on a tenth of
# ImageNet-1k: Fig. 5.
#
#   python data/imagenet_subset.py    # makes meta/train_10percent.txt
#   tools/dist_train.sh configs/vit_afno_s4_depth10_inpainting.py 8    # 8 GPUs x 32 images
#   python tools/train.py configs/vit_afno_s4_depth10_inpainting.py --auto-scale-lr    # one GPU
#
# Expect: no number, the figure shows clusters of tokens (docs/paper.md); not trained by us.
# Parameters: 13.46M.
#
# The paper's (A.1): 10 layers, a tenth of ImageNet. It gives no widths; these are
# A.5's of 12 layers: width and blocks. lambda is that of the ablations
# (5.5, A.6), for 0.1 lets next to nothing through at this width (docs/mixers.md); the bias is the
# identity (Fig. 3).
# The schedule, the mask and the loss are in _base_/inpainting.py.
_base_ = ['_base_/inpainting.py']
train_dataloader = dict(dataset=dict(ann_file='meta/train_10percent.txt'))
model = dict(
    backbone=dict(
        arch=dict(embed_dims=384, num_layers=10, num_heads=1, feedforward_channels=1536),
        mixer=dict(type='AFNO', num_blocks=16, sparsity_threshold=0.01),
    ),
    head=dict(in_channels=384),
)
