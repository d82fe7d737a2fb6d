# Does a smooth filter of frequencies help AFNO? Inpainting at equal parameters, with statistics.
#
#   python data/make_images.py data/images
#   python tools/sweep.py configs/sweeps/filter_study.py --jobs 2
#
# Expect: no number. It has not been run. 55 trainings of 1500 steps. Stop it at any time; the same
# command goes on. OMP_NUM_THREADS=1 is set for two jobs on two cores; results depend on it in the
# last bits.
#
# 'AFNO+filter' is mixer.frequency_filter=smooth (docs/mixers/afno.md): an idea of this project,
# not of the paper. Method, data and network are those of study.py, and so are AFNO, GFN, LS and
# none. Each mixer first chooses its learning rate with a seed that does not count. Then it is
# trained with eight more seeds, on the same images, masks and augmentation as the others. The
# networks have 313 to 316 thousand parameters: AFNO+filter has 314,540, AFNO 314,648.
label = 'mixer'


def _network(width, hidden, **mixer):
    return {
        'model.backbone.arch.embed_dims': width,
        'model.backbone.arch.feedforward_channels': hidden,
        'model.head.in_channels': width,
        **{f'model.backbone.mixer.{key}': value for key, value in mixer.items()},
    }


points = {
    'AFNO': _network(88, 352),
    'AFNO+filter': _network(84, 340, frequency_filter='smooth'),
    'GFN': _network(76, 324, type='GFN'),
    'LS': _network(76, 296, type='LS', window_size=4, num_landmarks=8),
    'none': _network(92, 380, type='Identity'),
}
tune = dict(key='optim_wrapper.optimizer.lr', values=[0.001, 0.003, 0.006], seed=100)
seeds = list(range(8))
stages = [dict(config='../vit_afno_inpainting_study.py', metric='PSNR', others=['PSNR_composite'])]
# Fixed before the first result.
comparisons = [
    ('AFNO+filter', 'AFNO'),
    ('AFNO+filter', 'GFN'),
    ('AFNO+filter', 'LS'),
    ('AFNO+filter', 'none'),
]
