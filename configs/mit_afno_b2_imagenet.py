# MiT-B2 with AFNO on ImageNet: pre-training for Fig. 1.
#
#   tools/dist_train.sh configs/mit_afno_b2_imagenet.py 8    # 8 GPUs x 128 images
#   tools/dist_train.sh configs/segformer_afno_b2_cityscapes.py 8 --cfg-options \
#       model.backbone.init_cfg.type=Pretrained \
#       model.backbone.init_cfg.checkpoint=work_dirs/mit_afno_b2_imagenet/epoch_300.pth
#
# Expect: the paper gives no accuracy for its pre-training; not measured by us.
# Parameters: 24.44M. Schedule: A.3; stochastic depth is SegFormer's. Widths and mixer are
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
        embed_dims=[184, 272, 420, 512],
        num_layers=[3, 4, 6, 3],
        num_heads=[1, 2, 5, 8],
        drop_path_rate=0.1,
        out_indices=(3,),
        mixer=dict(type='AFNO', num_blocks=[1, 2, 5, 8], sparsity_threshold=0.01),
    ),
    head=dict(in_channels=512),
)
