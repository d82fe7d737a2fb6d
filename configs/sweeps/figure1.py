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
