# The networks of Fig. 5 (A.1): inpainting with four mixers, ViT-S/4 of 10 layers.
#
#   python data/imagenet_subset.py    # writes meta/train_10percent.txt
#   python tools/sweep.py configs/sweeps/figure5.py --gpus 8
#
# On another number of GPUs, add --cfg-options auto_scale_lr.enable=True. Then
# tools/draw_clusters.py draws the figure (docs/paper.md).
#
# Expect: no number. The figure shows clusters of tokens; not trained by us.
#
# Small, on example images, with the four layers of study.py:
#
#   python data/make_images.py data/images
#   python tools/sweep.py configs/sweeps/figure5.py --small --jobs 2
label = 'mixer'
points = {
    mixer.upper(): dict(configs=[f'../vit_{mixer}_s4_depth10_inpainting.py'])
    for mixer in ('sa', 'gfn', 'ls', 'afno')
}
stages = [dict(metric='PSNR')]


def _network(width, hidden, **mixer):
    """Networks of study.py: they have the same number of parameters within 0.5 %."""
    return {
        'model.backbone.arch.embed_dims': width,
        'model.backbone.arch.feedforward_channels': hidden,
        'model.head.in_channels': width,
        **{f'model.backbone.mixer.{key}': value for key, value in mixer.items()},
    }


small = dict(
    points={
        'SA': _network(76, 316, type='SA'),
        'GFN': _network(76, 324, type='GFN'),
        'LS': _network(76, 296, type='LS'),
        'AFNO': _network(88, 352),
    },
    stages=[dict(config='../vit_afno_inpainting_study.py', metric='PSNR')],
)
