# A study of the mixers that two CPU cores can do: inpainting at equal parameters, with statistics.
#
#   python data/make_images.py data/images
#   python tools/sweep.py configs/sweeps/study.py --jobs 2
#
# Expect: docs/evidence.md. 187 trainings of 1500 steps. Stop it at any time; the same command goes
# on. OMP_NUM_THREADS=1 is set for two jobs on two cores; results depend on it in the last bits.
#
# Each mixer first chooses its learning rate with a seed that does not count. Then it is trained
# with eight more seeds. Mixers of one seed see the same images in the same order, with the same
# masks and augmentation. Those with equal shapes (AFNO with each lambda, static, FNO) also start
# from the same draws. The networks have 313 to 316 thousand parameters. As in the paper, the width
# makes them equal; the hidden width of the feed-forward (4 widths, +-0.9) does the rest.
#
# AFNO-35 has no shrinkage and keeps 32/56 of the modes on each axis, as in Table 6. 'static' starts
# at a scale that the modes keep, 'static-0.02' at AFNO's published scale. 'FNO' has no local term,
# as published, 'FNO-local' the identity, as AFNO. 'none' mixes nothing: the feed-forward alone.
# 'AFNO+filter', 'AFNO+depthwise' and 'AFNO+padding' are ideas of this project, not of the paper
# (docs/mixers/afno.md): mixer.frequency_filter=smooth, mixer.bias=depthwise, and
# mixer.padding=0.25, which adds a quarter of zeros to height and width.
label = 'mixer'


def _network(width, hidden, **mixer):
    return {
        'model.backbone.arch.embed_dims': width,
        'model.backbone.arch.feedforward_channels': hidden,
        'model.head.in_channels': width,
        **{f'model.backbone.mixer.{key}': value for key, value in mixer.items()},
    }


points = {
    'AFNO': _network(88, 352, sparsity_threshold=0.01),
    'AFNO-0': _network(88, 352, sparsity_threshold=0.0),
    'AFNO-0.001': _network(88, 352, sparsity_threshold=0.001),
    'AFNO-0.1': _network(88, 352, sparsity_threshold=0.1),
    'AFNO+filter': _network(84, 340, sparsity_threshold=0.01, frequency_filter='smooth'),
    'AFNO+depthwise': _network(88, 348, sparsity_threshold=0.01, bias='depthwise'),
    'AFNO+padding': _network(88, 352, sparsity_threshold=0.01, padding=0.25),
    'AFNO-35': _network(88, 352, sparsity_threshold=0.0, mode_fraction=32 / 56),
    'static': _network(56, 204, type='StaticAFNO', num_blocks=4, num_modes=4),
    'static-0.02': _network(
        56, 204, type='StaticAFNO', num_blocks=4, num_modes=4, init='published'
    ),
    'FNO': _network(32, 156, type='FNO', num_modes=4),
    'FNO-local': _network(32, 156, type='FNO', num_modes=4, bias='identity'),
    'GFN': _network(76, 324, type='GFN'),
    'LS': _network(76, 296, type='LS', window_size=4, num_landmarks=8),
    'SA': _network(76, 316, type='SA'),
    'ESA': _network(68, 256, type='ESA', sr_ratio=2),
    'none': _network(92, 380, type='Identity'),
}
tune = dict(key='optim_wrapper.optimizer.lr', values=[0.001, 0.003, 0.006], seed=100)
seeds = list(range(8))
stages = [dict(config='../vit_afno_inpainting_study.py', metric='PSNR', others=['PSNR_composite'])]
# Fixed before the first result.
comparisons = {
    'the paper': [
        ('AFNO', 'GFN'),
        ('AFNO', 'LS'),
        ('AFNO', 'static'),
        ('static', 'FNO'),
        ('AFNO', 'AFNO-0'),
    ],
    'the filter (ours)': [
        ('AFNO+filter', 'AFNO'),
        ('AFNO+filter', 'GFN'),
        ('AFNO+filter', 'LS'),
        ('AFNO+filter', 'none'),
    ],
    'two cheaper ideas (ours)': [
        ('AFNO+depthwise', 'AFNO'),
        ('AFNO+padding', 'AFNO'),
        ('AFNO+filter', 'AFNO+depthwise'),
    ],
}
