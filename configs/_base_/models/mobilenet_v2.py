# MobileNetV2 with an output stride of 8, from public ImageNet weights.
backbone = dict(
    type='MobileNetV2',
    widen_factor=1.0,
    strides=(1, 2, 2, 1, 1, 1, 1),
    dilations=(1, 1, 1, 2, 2, 4, 4),
    out_indices=(1, 2, 4, 6),
    init_cfg=dict(type='Pretrained', checkpoint='mmcls://mobilenet_v2'),
)
