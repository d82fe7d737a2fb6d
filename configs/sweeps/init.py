# What the published initial values of AFNO cost with 16 blocks, where A.5 uses them, and whether
# 'scaled' mends it: inpainting in the network of study.py, with statistics.
#
#   python data/make_images.py data/images
#   python tools/sweep.py configs/sweeps/init.py --jobs 2
#
# Expect: docs/evidence.md. 40 trainings of 1500 steps. Stop it at any time; the same command goes
# on. OMP_NUM_THREADS=1 is set for two jobs on two cores; results depend on it in the last bits.
#
# All points are one network of 16 blocks of 6 channels. They differ in init and lambda. A.5 has
# lambda 0.1 and 16 blocks of 24 channels. Each point first chooses its learning rate with a seed
# that does not count. Points of one seed see the same images with the same masks.
label = 'init and lambda'
points = {
    f'{init}-{sparsity_threshold}': {
        'model.backbone.arch.embed_dims': 96,
        'model.backbone.arch.feedforward_channels': 384,
        'model.head.in_channels': 96,
        'model.backbone.mixer.num_blocks': 16,
        'model.backbone.mixer.init': init,
        'model.backbone.mixer.sparsity_threshold': sparsity_threshold,
    }
    for init in ('published', 'scaled')
    for sparsity_threshold in (0.01, 0.1)
}
tune = dict(key='optim_wrapper.optimizer.lr', values=[0.003, 0.006], seed=100)
seeds = list(range(8))
stages = [dict(config='../vit_afno_inpainting_study.py', metric='PSNR', others=['PSNR_composite'])]
# Fixed before the first result.
comparisons = {
    'the initial values': [
        ('scaled-0.1', 'published-0.1'),
        ('scaled-0.01', 'published-0.01'),
        ('published-0.01', 'published-0.1'),
    ]
}
