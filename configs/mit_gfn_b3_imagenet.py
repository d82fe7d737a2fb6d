# MiT-B3 with global filters (GFN) on ImageNet: pre-training for Table 4.
#
#   tools/dist_train.sh configs/mit_gfn_b3_imagenet.py 8    # 8 GPUs x 128 images
#   tools/dist_train.sh configs/segformer_gfn_b3_cityscapes.py 8 --cfg-options \
#       model.backbone.init_cfg.type=Pretrained \
#       model.backbone.init_cfg.checkpoint=work_dirs/mit_gfn_b3_imagenet/epoch_300.pth
#
# Expect: the paper gives no accuracy for its pre-training; not measured by us.
# Parameters: 45.03M. Schedule: A.3; stochastic depth is SegFormer's. Widths and mixer are
# those of the segmentation config.
_base_ = [
    '_base_/classifier.py',
    '_base_/imagenet.py',
    '_base_/schedule_300e.py',
    '_base_/mmpretrain_runtime.py',
]
model = dict(
    backbone=dict(
        type='afno_mm.MiT',
        embed_dims=[128, 256, 440, 512],
        num_layers=[3, 4, 18, 3],
        num_heads=[1, 2, 5, 8],
        drop_path_rate=0.1,
        out_indices=(3,),
        mixer=dict(type='GFN'),
    ),
    head=dict(in_channels=512),
)
