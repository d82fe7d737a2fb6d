# ViT-B/4 with global filters (GFN), few-shot segmentation of 30 cats: Table 3, LSUN-Cats.
#
#   python tools/train.py configs/vit_gfn_b4_cats.py
#
# Expect: 34.52 mIoU, the best of all validations (the paper's number; not measured by us). The work
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
data_root = '{{$PARTS_DATASET:data/parts}}/cats'
train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(type='afno_mm.CatsDataset', data_root=data_root)
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
    decode_head=dict(in_channels=768, channels=768, num_classes=16),
)
