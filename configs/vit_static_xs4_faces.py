# ViT-XS/4 with static weights, few-shot on faces: Table 6, AFNO [Non-Adaptive Weights].
#
#   python tools/train.py configs/vit_static_xs4_faces.py
#
# Expect: 44.04 mIoU, the best of all validations, which is kept in the work dir as best.json
# (the paper's number; not measured by us). Parameters: 16.09M.
# Starts from the inpainting model below; with --cfg-options model.backbone.init_cfg=None from
# random weights.
# 28x14 of the 56x29 modes give the table's 16M parameters; A.6 does not say how many.
_base_ = ['_base_/fewshot.py']
data_root = '{{$PARTS_DATASET:data/parts}}/faces'
train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(type='afno_mm.FacesDataset', data_root=data_root)
)
model = dict(
    backbone=dict(
        arch=dict(embed_dims=124, num_layers=5, num_heads=1, feedforward_channels=496),
        mixer=dict(type='StaticAFNO', num_blocks=4, num_modes=(14, 14), sparsity_threshold=0.01),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/vit_static_xs4_inpainting/epoch_100.pth',
            min_match=1.0,
        ),
    ),
    decode_head=dict(in_channels=124, channels=124, num_classes=34),
)
