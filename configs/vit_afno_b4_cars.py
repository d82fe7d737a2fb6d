# ViT-B/4 with AFNO, few-shot on 16 cars: Table 3, ADE-Cars.
#
#   python tools/train.py configs/vit_afno_b4_cars.py
#
# Expect: 49.60 mIoU, the best of all validations, which is kept in the work dir as best.json
# (the paper's number; not measured by us). Parameters: 90.28M.
# Starts from the inpainting model below; with --cfg-options model.backbone.init_cfg=None from
# random weights.
_base_ = ['_base_/fewshot.py']
data_root = '{{$PARTS_DATASET:data/parts}}/ade_cars'
train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(type='afno_mm.ADECarsDataset', data_root=data_root)
)
model = dict(
    backbone=dict(
        arch=dict(embed_dims=750, num_layers=12, num_heads=1, feedforward_channels=3000),
        mixer=dict(type='AFNO', num_blocks=1, sparsity_threshold=0.1, bias='conv'),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/vit_afno_b4_inpainting/epoch_100.pth',
            min_match=1.0,
        ),
    ),
    decode_head=dict(in_channels=750, channels=750, num_classes=12),
)
