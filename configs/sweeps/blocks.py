# Fig. 4 right (5.5): the number of blocks against inpainting PSNR, at equal parameters. ViT-XS/4
# with AFNO.
#
#   python data/imagenet_subset.py    # writes meta/train_10percent.txt
#   python tools/sweep.py configs/sweeps/blocks.py --gpus 8
#
# On another number of GPUs, add --cfg-options auto_scale_lr.enable=True.
#
# Expect: the highest PSNR at 8 blocks (the paper's result; not measured by us).
#
# The paper does not give the widths. These make models of 16.0M parameters, except 16.4M at 16
# blocks and 15.3M at 32 and 64 blocks: the width must be a multiple of the number of blocks.
label = 'blocks'
points = {
    str(blocks): {
        'model.backbone.mixer.num_blocks': blocks,
        'model.backbone.arch.embed_dims': width,
        'model.backbone.arch.feedforward_channels': 4 * width,
        'model.head.in_channels': width,
    }
    for blocks, width in ((1, 490), (2, 534), (4, 560), (8, 576), (16, 592), (32, 576), (64, 576))
}
stages = [dict(config='../vit_afno_xs4_inpainting.py', metric='PSNR')]
