# Fig. 1: parameters of SegFormer B0 to B3 with three mixers against mIoU on Cityscapes, after
# pre-training on ImageNet.
#
#   python tools/sweep.py configs/sweeps/figure1.py --gpus 8
#
# On another number of GPUs, add --cfg-options auto_scale_lr.enable=True. --points AFNO-B0 GFN-B0
# runs only these points.
#
# Expect: for B3 80.9 (AFNO), 80.4 (GFN) and 79.7 (ESA); the paper plots the other sizes without a
# number (the paper's numbers; not measured by us). The mIoU is that of the last validation.
#
# The Swin and DeepLab models of the figure start from public weights and have no first stage:
#   configs/swin_{t,s,b}_cityscapes.py, configs/deeplabv3plus_{mobilenetv2,r101}_cityscapes.py
#
# Small, on example street scenes, from random weights, with one and two blocks in each stage of B0:
#
#   python data/make_scenes.py data/scenes
#   python tools/sweep.py configs/sweeps/figure1.py --small
label = 'model'
plot_over = 'parameters'
points = {
    f'{mixer.upper()}-B{size}': dict(
        configs=[
            f'../mit_{mixer}_b{size}_imagenet.py',
            f'../segformer_{mixer}_b{size}_cityscapes.py',
        ]
    )
    for mixer in ('afno', 'gfn', 'esa')
    for size in range(4)
}
stages = [dict(metric='accuracy/top1'), dict(metric='mIoU')]


def _scenes(mixer, widths, blocks):
    return {
        'model.backbone.mixer.type': mixer,
        'model.backbone.embed_dims': widths,
        'model.backbone.num_layers': [blocks] * 4,
        'model.decode_head.in_channels': widths,
        'train_cfg.max_epochs': 7,
    }


small = dict(
    points={
        f'{name}-{blocks}': _scenes(mixer, widths, blocks)
        for name, mixer, widths in (
            ('AFNO', 'AFNO', [88, 136, 200, 256]),
            ('GFN', 'GFN', [72, 128, 160, 256]),
            ('ESA', 'ESA', [32, 64, 160, 256]),
            ('none', 'Identity', [88, 136, 200, 256]),
        )
        for blocks in (1, 2)
    },
    stages=[dict(config='../segformer_afno_b0_scenes.py', metric='mIoU')],
)
