# Where mixing pays, with convolutions: SegFormer-B0 at four image sizes.
#
#   python data/make_scenes.py data/scenes
#   python tools/sweep.py configs/sweeps/sizes_b0.py --jobs 2
#   python benchmarks/quality_and_cost.py configs/sweeps/sizes_b0.py docs/sizes_b0/results.json
#
# Expect: docs/evidence.md, from 37 of these 124 trainings of 560 steps: one seed of each point, and
# four of AFNO-192 and none-192 (--points). Stop it at any time; the same command goes on.
# OMP_NUM_THREADS=1 is set for two jobs on two cores; results depend on it in the last bits.
#
# As sizes.py, with the networks, the schedule and the learning rate of scenes_b0.py. 'hybrid' is
# ../segformer_hybrid_b0_scenes.py: AFNO in two stages, then ESA. SA at a height of 192 is left out:
# it attends to 4608 tokens in the first stage, and would train as long as ten others. At a height
# of 128 the parameters are equal within 2 %.
_base_ = ['scenes_b0.py']
label = 'mixer-height'
plot_over = 'numbers'
_networks = dict(_base_.points)
_networks['AFNO25'] = {**_networks['AFNO'], 'model.backbone.mixer.mode_fraction': 0.5}

_networks['hybrid'] = {'configs': ['../segformer_hybrid_b0_scenes.py'], 'train_cfg.max_epochs': 7}
_networks['SA'] = {
    'model.backbone.embed_dims': [72, 120, 180, 232],
    'model.decode_head.in_channels': [72, 120, 180, 232],
    'train_cfg.max_epochs': 7,
    'model.backbone.mixer.type': 'SA',
}
points = {
    f'{mixer}-{height}': {
        **_networks[mixer],
        **({'model.backbone.pretrain_img_size': (height, 2 * height)} if mixer == 'GFN' else {}),
        'optim_wrapper.optimizer.lr': 0.002,
        'data_preprocessor.size': (height, 2 * height),
        'model.data_preprocessor.size': (height, 2 * height),
        'train_dataloader.dataset.pipeline.2.scale': (2 * height, height),
        'train_dataloader.dataset.pipeline.3.crop_size': (height, 2 * height),
        'val_dataloader.dataset.pipeline.1.scale': (2 * height, height),
    }
    for mixer in ('AFNO', 'AFNO25', 'GFN', 'LS', 'SA', 'ESA', 'hybrid', 'none')
    for height in (64, 96, 128, 192)
    if (mixer, height) != ('SA', 192)
}
points['_delete_'] = True
tune = None
seeds = [0, 1, 2, 3]
# Added after seed 0, with the other seeds of these two points.
comparisons = dict(_delete_=True, largest=[('AFNO-192', 'none-192')])
