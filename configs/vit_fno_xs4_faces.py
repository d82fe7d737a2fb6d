# ViT-XS/4 with FNO, few-shot on faces: Table 6, FNO.
#
#   python tools/train.py configs/vit_fno_xs4_faces.py
#
# Expect: 39.27 mIoU, the best of all validations, which is kept in the work dir as best.json
# (the paper's number; not measured by us). Parameters: 16.43M.
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
        arch=dict(embed_dims=64, num_layers=5, num_heads=1, feedforward_channels=256),
        mixer=dict(type='FNO', num_modes=(14, 14)),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/vit_fno_xs4_inpainting/epoch_100.pth',
            min_match=1.0,
        ),
    ),
    decode_head=dict(in_channels=64, channels=64, num_classes=34),
)
