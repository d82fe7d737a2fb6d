# Vision Transformer with patches of 4x4 pixels, one class score per token (the linear decoder of
# SETR and Segmenter), on 1024x1024 crops. The position embedding is that of 224 pixels, resized.
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(1024, 1024),
    ),
    backbone=dict(
        type='afno_mm.ViT',
        img_size=224,
        patch_size=4,
        with_cls_token=False,
        out_type='featmap',
        drop_path_rate=0.1,
    ),
    decode_head=dict(
        type='FCNHead',
        in_index=0,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0.0,
        num_classes=19,
        norm_cfg=None,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='slide', crop_size=(1024, 1024), stride=(768, 768)),
)
tta_model = dict(type='SegTTAModel')
