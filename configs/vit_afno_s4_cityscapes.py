# ViT-S/4 with AFNO on Cityscapes: the paper's classifier (A.5), segmenting.
#
#   tools/dist_train.sh configs/vit_afno_s4_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: no number, the paper has no such model; not measured by us. Parameters: 17.66M.
# From random weights add model.backbone.mixer.init=scaled, see docs/mixers.md.
# Widths and mixer are A.5's; the decoder is linear; crops, schedule and evaluation are those of
# the SegFormer models. Weights of the classifier load with
#   --cfg-options model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=FILE
_base_ = ['_base_/vit.py', '_base_/cityscapes.py', '_base_/schedule_450e.py', '_base_/runtime.py']
model = dict(
    backbone=dict(
        arch=dict(embed_dims=384, num_layers=12, num_heads=12, feedforward_channels=1536),
        mixer=dict(type='AFNO', num_blocks=16, sparsity_threshold=0.1, bias='conv'),
    ),
    decode_head=dict(in_channels=384, channels=384),
)
