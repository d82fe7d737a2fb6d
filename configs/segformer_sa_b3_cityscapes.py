# SegFormer-B3 with full self-attention (SA) on Cityscapes: Table 4, row SA.
#
#   tools/dist_train.sh configs/segformer_sa_b3_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: no number; it did not fit into the memory of the paper's authors. Here attention
# matrices are never stored, so that memory is no obstacle, but time is: 2.2 TFLOPs (multiply-
# accumulates) an image in the mixers alone. Parameters: 38.01M: the paper gives no widths for this
# row, these are ESA's.
# Starts from SegFormer's public ImageNet-1k weights without their spatial reduction;
# model.backbone.init_cfg=None starts without.
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
        mixer=dict(type='SA'),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://mmassets.onedl.ai/mmsegmentation/v0.5/pretrain/'
            'segformer/mit_b3_20220624-13b1141c.pth',
        ),
    ),
    decode_head=dict(in_channels=[64, 128, 320, 512], channels=768),
)
