# SegFormer-B3 with its own efficient self-attention (ESA) on Cityscapes: Table 4, row Efficient SA.
#
#   tools/dist_train.sh configs/segformer_esa_b3_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: 79.7 mIoU (the paper's number for its own pre-training, Table 4; not measured by us).
# Parameters: 47.24M.
# The decoder is 768 wide as in SegFormer and the paper; MMSegmentation's own config has 256.
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
        embed_dims=64,
        num_layers=[3, 4, 18, 3],
        mixer=dict(type='ESA'),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://mmassets.onedl.ai/mmsegmentation/v0.5/pretrain/'
            'segformer/mit_b3_20220624-13b1141c.pth',
        ),
    ),
    decode_head=dict(in_channels=[64, 128, 320, 512], channels=768),
)
