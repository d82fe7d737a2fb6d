# ViT-B/4 with global filters (GFN), few-shot segmentation of 16 cars: Table 3, ADE-Cars.
#
#   python tools/train.py configs/vit_gfn_b4_cars.py
#
# Expect: 47.84 mIoU, the best of all validations (the paper's number; not measured by us). The work
# directory keeps the best value in best.json.
# Parameters: 89.10M.
# Validation: all test images of DatasetGAN's release. The paper does not give their number;
# data/convert_datasetgan.py prints it. data/make_parts.py draws 20.
#
# Training starts from the weights of vit_gfn_b4_inpainting.py. To start from random weights:
#   --cfg-options model.backbone.init_cfg=None
_base_ = [
    '_base_/models/vit_gfn_b4.py',
    '_base_/models/few_shot.py',
    '_base_/datasets/parts.py',
    '_base_/schedules/schedule_2000e.py',
    '_base_/few_shot_runtime.py',
]
data_root = '{{$PARTS_DATASET:data/parts}}/ade_cars'
train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(type='afno_mm.ADECarsDataset', data_root=data_root)
)
model = dict(
    backbone=dict(
        _base_.pop('backbone'),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/vit_gfn_b4_inpainting/epoch_100.pth',
            min_match=1.0,
        ),
    ),
    decode_head=dict(in_channels=768, channels=768, num_classes=12),
)
