# SegFormer-B0 with each mixer on example street scenes, with statistics: does the mixer matter
# beside the convolutions of SegFormer, at equal parameters?
#
#   python data/make_scenes.py data/scenes
#   python tools/sweep.py configs/sweeps/scenes_b0.py --jobs 2
#
# Expect: docs/evidence.md. 80 trainings of 560 steps: half the epochs of
# ../segformer_afno_b0_scenes.py, on scenes of 256x512 that the network sees at half size. Stop it
# at any time; the same command goes on. OMP_NUM_THREADS=1 is set for two jobs on two cores; results
# depend on it in the last bits.
#
# Each mixer first chooses its learning rate with a seed that does not count. Then it is trained
# with eight more seeds. Mixers of one seed see the same images in the same order, with the same
# augmentation. The widths of the stages make the parameters equal within 1.3 %. 'AFNO+filter' and
# its like are ideas of this project, not of the paper (docs/mixers/afno.md). 'none' mixes nothing:
# SegFormer's patch embeddings and the 3x3 convolutions of its feed-forward are all that is left.
# 'ESA' is SegFormer as published.
label = 'mixer'


def _network(*widths, **mixer):
    return {
        'model.backbone.embed_dims': list(widths),
        'model.decode_head.in_channels': list(widths),
        'train_cfg.max_epochs': 7,
        **{f'model.backbone.mixer.{key}': value for key, value in mixer.items()},
    }


points = {
    'AFNO': _network(88, 136, 200, 256),
    'AFNO+filter': _network(88, 136, 200, 248, frequency_filter='smooth'),
    'AFNO+depthwise': _network(88, 136, 200, 256, bias='depthwise'),
    'AFNO+filter+depthwise': _network(
        88, 136, 200, 248, frequency_filter='smooth', bias='depthwise'
    ),
    'GFN': {
        **_network(80, 128, 184, 256, type='GFN'),
        'model.backbone.pretrain_img_size': (128, 256),
    },
    'LS': _network(72, 120, 180, 232, type='LS', window_size=4, num_landmarks=8),
    'ESA': _network(32, 64, 160, 256, type='ESA'),
    'none': _network(88, 136, 208, 272, type='Identity'),
}
tune = dict(key='optim_wrapper.optimizer.lr', values=[0.001, 0.002], seed=100)
seeds = list(range(8))
stages = [dict(config='../segformer_afno_b0_scenes.py', metric='mIoU', others=['aAcc'])]
# Each group was fixed before its first result. ESA was added later and is not compared.
comparisons = {
    'the paper': [('AFNO', 'none'), ('AFNO', 'GFN'), ('AFNO', 'LS')],
    'the filter (ours)': [('AFNO+filter', 'AFNO'), ('AFNO+filter', 'none')],
    'a depthwise bias (ours)': [
        ('AFNO+depthwise', 'AFNO'),
        ('AFNO+filter+depthwise', 'AFNO+filter'),
        ('AFNO+filter+depthwise', 'AFNO+depthwise'),
    ],
}
