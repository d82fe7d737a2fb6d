# SegFormer: an encoder and the all-MLP decoder. Settings are those of SegFormer (Xie et al. 2021).
data_preprocessor = dict(
    type='SegDataPreProcessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    size=(1024, 1024),
)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=data_preprocessor,
    backbone=dict(drop_path_rate=0.1),
    decode_head=dict(
        type='afno_mm.SegformerHead',
        in_index=[0, 1, 2, 3],
        dropout_ratio=0.1,
        num_classes=19,
        norm_cfg=dict(type='SyncBN', requires_grad=True),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss'),
    ),
    train_cfg=dict(),
    # The network sees 1024x1024 pixels, as in the paper's evaluation (A.3). Overlapping windows
    # cover the 1024x2048 image.
    test_cfg=dict(mode='slide', crop_size=(1024, 1024), stride=(768, 768)),
)
