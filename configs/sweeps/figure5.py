# The networks of Fig. 5 (A.1): inpainting with four mixers, ViT-S/4 of 10 layers.
#
#   python data/imagenet_subset.py    # writes meta/train_10percent.txt
#   python tools/sweep.py configs/sweeps/figure5.py --gpus 8
#
# On another number of GPUs, add --cfg-options auto_scale_lr.enable=True. Then
# tools/draw_clusters.py draws the figure (docs/paper.md).
#
# Expect: no number. The figure shows clusters of tokens; not trained by us.
label = 'mixer'
points = {
    mixer.upper(): dict(configs=[f'../vit_{mixer}_s4_depth10_inpainting.py'])
    for mixer in ('sa', 'gfn', 'ls', 'afno')
}
stages = [dict(metric='PSNR')]
