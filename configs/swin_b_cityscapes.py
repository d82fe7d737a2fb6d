# Swin-B with SegFormer's decoder on Cityscapes: a point of Fig. 1.
#
#   tools/dist_train.sh configs/swin_b_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: the paper plots this model and gives no number; not measured by us.
# Parameters: 90.60M. Stock Swin, from its public ImageNet-1k weights. The paper does not give the
# width of the decoder: 768 is that of SegFormer-B2 to B5. Stochastic depth is MMSegmentation's
# for Swin, all else is the recipe of the SegFormer models (5.6).
_base_ = [
    '_base_/segformer.py',
    '_base_/cityscapes.py',
    '_base_/schedule_450e.py',
    '_base_/runtime.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='afno_mm.SegSwin',
        drop_path_rate=0.3,
        embed_dims=128,
        depths=[2, 2, 18, 2],
        num_heads=[4, 8, 16, 32],
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://mmassets.onedl.ai/mmsegmentation/v0.5/pretrain/'
            'swin/swin_base_patch4_window7_224_20220317-e9b98025.pth',
        ),
    ),
    decode_head=dict(in_channels=[128, 256, 512, 1024], channels=768),
)
