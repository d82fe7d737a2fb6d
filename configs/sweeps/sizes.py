# Where mixing pays, without convolutions: the ViTs of scenes.py at four image sizes.
#
#   python data/make_scenes.py data/scenes
#   python tools/sweep.py configs/sweeps/sizes.py --jobs 2
#   python benchmarks/quality_and_cost.py configs/sweeps/sizes.py docs/sizes/results.json
#
# Expect: docs/evidence.md. 56 trainings of 560 steps. Stop it at any time; the same command goes
# on. OMP_NUM_THREADS=1 is set for two jobs on two cores; results depend on it in the last bits.
#
# AFNO-64 sees the scenes of 256x512 pixels at 64x128, as 8x16 tokens. All predictions are scored at
# 256x512. Networks, schedule and learning rates are those of scenes.py: the rates were chosen at a
# height of 128. AFNO25 keeps 25 % of the modes, with the weights and the rate of AFNO.
#
# At a height of 128 the parameters are equal within 1 %. At other heights only the position
# embeddings differ, and GFN's filters, which belong to the grid.
_base_ = ['scenes.py']
label = 'mixer-height'
plot_over = 'numbers'
_rates = dict(AFNO=0.002, AFNO25=0.002, GFN=0.001, LS=0.001, SA=0.002, ESA=0.001, none=0.002)
_networks = dict(_base_.points)
_networks['AFNO25'] = {**_networks['AFNO'], 'model.backbone.mixer.mode_fraction': 0.5}
points = {
    f'{mixer}-{height}': {
        **_networks[mixer],
        'optim_wrapper.optimizer.lr': rate,
        'data_preprocessor.size': (height, 2 * height),
        'model.data_preprocessor.size': (height, 2 * height),
        'model.backbone.img_size': (height, 2 * height),
        'train_dataloader.dataset.pipeline.2.scale': (2 * height, height),
        'train_dataloader.dataset.pipeline.3.crop_size': (height, 2 * height),
        'val_dataloader.dataset.pipeline.1.scale': (2 * height, height),
    }
    for mixer, rate in _rates.items()
    for height in (64, 96, 128, 192)
}
points['_delete_'] = True
tune = None
seeds = [0, 1]
comparisons = dict(_delete_=True)
