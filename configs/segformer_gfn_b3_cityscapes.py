# SegFormer-B3 with global filters (GFN) on Cityscapes: Table 4, row GFN.
#
#   tools/dist_train.sh configs/segformer_gfn_b3_cityscapes.py 8    # 8 GPUs x 1 image
#
# Expect: 80.4 mIoU with ImageNet pre-training (the paper's number; not measured by us).
# Parameters: 47.93M.
#
# The paper's (A.3): widths; filters made for 224 pixels, resized bilinearly to the tokens' grid
# in forward. mixer.resize='exact' pads the filters' kernels instead. All else as in
# segformer_afno_b3_cityscapes.py, whose header says what is whose.
_base_ = [
    '_base_/segformer.py',
    '_base_/cityscapes.py',
    '_base_/schedule_450e.py',
    '_base_/runtime.py',
]
model = dict(
    backbone=dict(
        embed_dims=[128, 256, 440, 512],
        num_layers=[3, 4, 18, 3],
        mixer=dict(type='GFN', resize='bilinear'),
    ),
    decode_head=dict(in_channels=[128, 256, 440, 512], channels=768),
)
