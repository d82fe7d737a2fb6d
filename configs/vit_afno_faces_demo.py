# A small ViT with AFNO, few-shot on 16 generated faces: the recipe of Tables 3 and 6 on a CPU.
#
#   python data/make_parts.py data/parts
#   python tools/train.py configs/vit_afno_faces_demo.py    # minutes on 2 CPU cores
#
# Expect: 21 mIoU, against 11.6 of the most frequent class of each pixel (both measured by us, from
# random weights). Parameters: 0.64M. It also starts from vit_afno_inpainting_demo.py's weights:
#   --cfg-options model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=FILE
# which on these pictures gains nothing (19 to 20 mIoU, docs/few_shot.md).
# The network sees them at 64x64.
_base_ = ['_base_/fewshot.py']
data_root = 'data/parts/faces'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(64, 64)),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(64, 64)),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    num_workers=1,
    dataset=dict(type='afno_mm.FacesDataset', data_root=data_root, pipeline=train_pipeline),
)
val_dataloader = dict(
    num_workers=1,
    dataset=dict(type='afno_mm.FacesDataset', data_root=data_root, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
model = dict(
    data_preprocessor=dict(size=(64, 64)),
    backbone=dict(
        img_size=64,
        arch=dict(embed_dims=128, num_layers=4, num_heads=4, feedforward_channels=512),
        mixer=dict(type='AFNO', num_blocks=4, sparsity_threshold=0.01),
    ),
    decode_head=dict(in_channels=128, channels=128, num_classes=34),
)
train_cfg = dict(max_epochs=200, val_interval=50)
default_hooks = dict(checkpoint=dict(interval=50))
randomness = dict(seed=0)
