# SegFormer-B3 with AFNO on a quarter of the modes, on Cityscapes: Table 4, row AFNO-25 %.
#
#   tools/dist_train.sh configs/segformer_afno25_b3_cityscapes.py 8 --cfg-options \
#       model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=FILE
#
# Expect: 80.4 mIoU (the paper's number; not measured by us). Parameters: 50.06M.
#
# The paper's (A.3, 5.3): truncation is for fine-tuning; FILE is the AFNO-100 % model, whose
# parameters are the same, trained on ImageNet with all modes, or the result of
# segformer_afno_b3_cityscapes.py. '25 %' is half of the frequencies on each axis. All else as
# in segformer_afno_b3_cityscapes.py, whose header says what is whose.
_base_ = [
    '_base_/segformer.py',
    '_base_/cityscapes.py',
    '_base_/schedule_450e.py',
    '_base_/runtime.py',
]
model = dict(
    backbone=dict(
        embed_dims=[208, 288, 440, 512],
        num_layers=[3, 4, 18, 3],
        mixer=dict(
            type='AFNO', num_blocks=[1, 2, 5, 8], sparsity_threshold=0.01, mode_fraction=0.5
        ),
    ),
    decode_head=dict(in_channels=[208, 288, 440, 512], channels=768),
)
