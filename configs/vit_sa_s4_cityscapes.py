# ViT-S/4 with self-attention (SA) on Cityscapes: the paper's classifier (A.5), segmenting.
#
#   tools/dist_train.sh configs/vit_sa_s4_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: no number, the paper has no such model; not measured by us. Parameters: 16.21M.
# Widths and mixer are A.5's; the decoder is linear; crops, schedule and evaluation are those of
# the SegFormer models. Weights of the classifier load with
#   --cfg-options model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=FILE
_base_ = ['_base_/vit.py', '_base_/cityscapes.py', '_base_/schedule_450e.py', '_base_/runtime.py']
model = dict(
    backbone=dict(
        arch=dict(embed_dims=324, num_layers=12, num_heads=12, feedforward_channels=1296),
        mixer=dict(type='SA'),
    ),
    decode_head=dict(in_channels=324, channels=324),
)
