# The mixers on example street scenes, in ViTs without convolutions, with statistics: segmentation
# at equal parameters that two CPU cores can do.
#
#   python data/make_scenes.py data/scenes
#   python tools/sweep.py configs/sweeps/scenes.py --jobs 2
#
# Expect: docs/evidence.md. 99 trainings of 560 steps: half the epochs of ../vit_afno_scenes.py.
# Stop it at any time; the same command goes on. OMP_NUM_THREADS=1 is set for two jobs on two cores;
# results depend on it in the last bits.
#
# Each mixer first chooses its learning rate with a seed that does not count. Then it is trained
# with eight more seeds. Mixers of one seed see the same images in the same order, with the same
# augmentation. As in study.py, the width makes the parameters equal, and the hidden width of the
# feed-forward (about 4 widths) does the rest. 'AFNO+filter' and its like are ideas of this project,
# not of the paper (docs/mixers/afno.md). 'none' mixes nothing: the feed-forward alone.
label = 'mixer'


def _network(width, hidden, **mixer):
    return {
        'model.backbone.arch.embed_dims': width,
        'model.backbone.arch.feedforward_channels': hidden,
        'model.decode_head.in_channels': width,
        'model.decode_head.channels': width,
        'train_cfg.max_epochs': 7,
        **{f'model.backbone.mixer.{key}': value for key, value in mixer.items()},
    }


points = {
    'AFNO': _network(192, 768),
    'AFNO+filter': _network(188, 752, frequency_filter='smooth'),
    'AFNO+depthwise': _network(192, 764, bias='depthwise'),
    'AFNO+filter+depthwise': _network(188, 748, frequency_filter='smooth', bias='depthwise'),
    'GFN': _network(172, 696, type='GFN'),
    'LS': _network(168, 632, type='LS', window_size=4, num_landmarks=8),
    'SA': _network(168, 656, type='SA'),
    'ESA': _network(144, 588, type='ESA', sr_ratio=2),
    'none': _network(200, 824, type='Identity'),
}
tune = dict(key='optim_wrapper.optimizer.lr', values=[0.0005, 0.001, 0.002], seed=100)
seeds = list(range(8))
stages = [dict(config='../vit_afno_scenes.py', metric='mIoU', others=['aAcc'])]
# Fixed before the first result. SA and ESA were added later and are not compared.
comparisons = {
    'the paper': [('AFNO', 'none'), ('AFNO', 'GFN'), ('AFNO', 'LS')],
    'the filter (ours)': [
        ('AFNO+filter', 'AFNO'),
        ('AFNO+filter', 'GFN'),
        ('AFNO+filter', 'LS'),
        ('AFNO+filter', 'none'),
    ],
    'a depthwise bias (ours)': [('AFNO+depthwise', 'AFNO'), ('AFNO+filter', 'AFNO+depthwise')],
    'filter and bias together (ours)': [
        ('AFNO+filter+depthwise', 'AFNO+filter'),
        ('AFNO+filter+depthwise', 'AFNO+depthwise'),
    ],
}
