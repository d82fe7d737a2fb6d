# SegFormer-B0 with its own efficient self-attention (ESA) on Cityscapes: a point of Fig. 1.
#
#   tools/dist_train.sh configs/segformer_esa_b0_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: the paper plots this model and gives no number; not measured by us.
# Parameters: 3.72M.
# ESA is MMSegmentation's attention without stored attention matrices: same parameters, keys and
# values; model.backbone.mixer=None is MMSegmentation's own, bit for bit.
# Starts from SegFormer's public ImageNet-1k weights; model.backbone.init_cfg=None starts without.
_base_ = [
    '_base_/segformer.py',
    '_base_/cityscapes.py',
    '_base_/schedule_450e.py',
    '_base_/runtime.py',
]
model = dict(
    backbone=dict(
        embed_dims=32,
        num_layers=[2, 2, 2, 2],
        mixer=dict(type='ESA'),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://mmassets.onedl.ai/mmsegmentation/v0.5/pretrain/'
            'segformer/mit_b0_20220624-7e0fe6dd.pth',
        ),
    ),
    decode_head=dict(in_channels=[32, 64, 160, 256], channels=256),
)
