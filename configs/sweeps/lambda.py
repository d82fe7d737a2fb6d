# Fig. 4 left (5.5): the sparsity threshold against inpainting PSNR and, after few-shot fine-tuning,
# mIoU on faces. ViT-XS/4 with AFNO.
#
#   python data/imagenet_subset.py    # writes meta/train_10percent.txt
#   python tools/sweep.py configs/sweeps/lambda.py --gpus 8
#
# The faces are those of docs/few_shot.md, in data/parts/faces. On another number of GPUs, add
# --cfg-options auto_scale_lr.enable=True.
#
# Expect: both are highest at 0.01, for which Table 6 has 25.69 dB and 49.49 mIoU (the paper's
# numbers; not measured by us). The PSNR is that of the last weights, from which fine-tuning starts.
# The mIoU is the best of all validations (A.4).
label = 'sparsity threshold'
points = {
    str(threshold): {'model.backbone.mixer.sparsity_threshold': threshold}
    for threshold in (0, 0.001, 0.01, 0.1, 1, 10)
}
stages = [
    dict(config='../vit_afno_xs4_inpainting.py', metric='PSNR'),
    dict(config='../vit_afno_xs4_faces.py', metric='mIoU', collect='best', gpus=1),
]
