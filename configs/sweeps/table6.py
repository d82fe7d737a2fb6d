# Table 6: FNO, AFNO with static weights, AFNO with hard thresholding, and AFNO. Inpainting PSNR
# and, after few-shot fine-tuning, mIoU on faces. ViT-XS/4.
#
#   python data/imagenet_subset.py    # writes meta/train_10percent.txt
#   python tools/sweep.py configs/sweeps/table6.py --gpus 8
#
# The faces are those of docs/few_shot.md, in data/parts/faces. On another number of GPUs, add
# --cfg-options auto_scale_lr.enable=True.
#
# Expect: 24.8 dB and 39.27 mIoU, 25.1 and 44.04, 23.58 and 34.17, 25.69 and 49.49, in this order
# (the paper's numbers; not measured by us). The PSNR is that of the last weights, from which
# fine-tuning starts. The mIoU is the best of all validations (A.4).
label = 'mixer'
points = {
    name: dict(configs=[f'../vit_{config}_xs4_{task}.py' for task in ('inpainting', 'faces')])
    for name, config in (
        ('FNO', 'fno'),
        ('static', 'static'),
        ('AFNO-35', 'afno35'),
        ('AFNO', 'afno'),
    )
}
stages = [dict(metric='PSNR'), dict(metric='mIoU', collect='best', gpus=1)]
