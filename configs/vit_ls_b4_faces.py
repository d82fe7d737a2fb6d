# ViT-B/4 with long-short attention (LS), few-shot on 16 faces: Table 3, CelebA-Faces.
#
#   python tools/train.py configs/vit_ls_b4_faces.py
#
# Expect: 41.36 mIoU, the best of all validations, which is kept in the work dir as best.json
# (the paper's number; not measured by us). Parameters: 88.45M.
# Starts from the inpainting model below; with --cfg-options model.backbone.init_cfg=None from
# random weights.
_base_ = ['_base_/fewshot.py']
data_root = '{{$PARTS_DATASET:data/parts}}/faces'
train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(type='afno_mm.FacesDataset', data_root=data_root)
)
model = dict(
    backbone=dict(
        arch=dict(embed_dims=768, num_layers=12, num_heads=12, feedforward_channels=3072),
        mixer=dict(type='LS', window_size=4, num_landmarks=8),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/vit_ls_b4_inpainting/epoch_100.pth',
            min_match=1.0,
        ),
    ),
    decode_head=dict(in_channels=768, channels=768, num_classes=34),
)
