# ViT-S/4 with long-short attention (LS) on Cityscapes: the paper's classifier (A.5), segmenting.
#
#   tools/dist_train.sh configs/vit_ls_s4_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: no number, the paper has no such model; not measured by us. Parameters: 15.44M.
# Width, window and rank are A.5's, 12 heads ours; the decoder is linear; crops, schedule and
# evaluation are those of the SegFormer models. Weights of the classifier load with
#   --cfg-options model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=FILE
_base_ = ['_base_/vit.py', '_base_/cityscapes.py', '_base_/schedule_450e.py', '_base_/runtime.py']
model = dict(
    backbone=dict(
        arch=dict(embed_dims=312, num_layers=12, num_heads=12, feedforward_channels=1248),
        mixer=dict(type='LS', window_size=4, num_landmarks=8),
    ),
    decode_head=dict(in_channels=312, channels=312),
)
