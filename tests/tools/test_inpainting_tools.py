"""The tools on the inpainting demo, shortened to seconds."""

import json
import pickle
import re

import numpy as np
import pytest
import torch
from PIL import Image
from running import REPOSITORY, scalars, tool

pytestmark = pytest.mark.slow
CONFIG = REPOSITORY / 'configs/vit_afno_inpainting_demo.py'


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    root = tmp_path_factory.mktemp('data') / 'images'
    output = tool('data/make_images.py', root, '--train', 2, '--val', 1, '--size', 32)
    assert '10 classes, 32x32 (30 new)' in output
    return root


@pytest.fixture(scope='module')
def config(images, tmp_path_factory):
    output = tool('data/imagenet_subset.py', images, '--percent', 50)
    assert f'{images}/meta/train_50percent.txt: 10 images of 10 classes' in output
    path = tmp_path_factory.mktemp('config') / 'tiny.py'
    path.write_text(f"""
_base_ = {str(CONFIG)!r}
mask = dict(type='afno_mm.RandomWalkMask', num_steps=64)
train_pipeline = [dict(type='LoadImageFromFile'), mask, dict(type='PackInputs')]
test_pipeline = [dict(type='LoadImageFromFile'), dict(mask, seed=0), dict(type='PackInputs')]
train_dataloader = dict(
    batch_size=5, num_workers=0,
    dataset=dict(data_root={str(images)!r}, ann_file='meta/train_50percent.txt',
                 pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=4, num_workers=0,
    dataset=dict(data_root={str(images)!r}, pipeline=test_pipeline))
test_dataloader = val_dataloader
model = dict(
    backbone=dict(img_size=32, arch=dict(embed_dims=32, num_layers=1, feedforward_channels=32)),
    head=dict(in_channels=32))
train_cfg = dict(max_epochs=2, val_interval=2)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=2))
""")
    return path


@pytest.fixture(scope='module')
def trained(config, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('work')
    tool('train.py', config, '--work-dir', work_dir)
    return work_dir


@pytest.fixture(scope='module')
def tested(config, trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp('test')
    tool(
        'test.py',
        config,
        trained / 'epoch_2.pth',
        '--work-dir',
        folder,
        '--out',
        folder / 'metrics.json',
        '--out-item',
        'metrics',
        '--show-dir',
        folder / 'pictures',
    )
    return folder


def test_train_steps_checkpoints_and_evaluates(trained):
    *steps, evaluation = scalars(trained)
    assert len(steps) == 4 and all(np.isfinite(step['loss']) for step in steps)
    assert 0 < evaluation['PSNR'] < 59 and -1 <= evaluation['SSIM'] <= 1
    assert list(trained.glob('best_PSNR_*.pth'))


def test_scores_of_a_test_equal_the_validation_s_and_include_composites(trained, tested):
    # The masks of validation are always the same.
    metrics = json.loads((tested / 'metrics.json').read_text())
    evaluation = scalars(trained)[-1]
    assert metrics['PSNR'] == pytest.approx(evaluation['PSNR'], abs=1e-4)
    assert metrics['SSIM'] == pytest.approx(evaluation['SSIM'], abs=1e-4)
    assert metrics['PSNR_composite'] > metrics['PSNR']


def test_pictures_hold_input_prediction_and_truth(tested, images):
    pictures = sorted((tested / 'pictures').glob('*.png'))
    assert len(pictures) == 10
    shown, _, truth = np.split(np.array(Image.open(tested / 'pictures/rings_00000.png')), 3, axis=1)
    image = np.array(Image.open(images / 'val/rings/rings_00000.JPEG')).astype(int)
    assert abs(truth - image).max() <= 2  # two JPEG decoders
    masked = (shown == 0).all(-1)
    assert 0.05 < masked.mean() < 0.9 and (shown[~masked] == truth[~masked]).all()


def test_baselines_are_printed_beside_the_model(config, tested):
    output = tool('baseline.py', config, '--beside', tested / 'metrics.json').splitlines()
    names = ['PSNR', 'SSIM', 'PSNR_composite', 'SSIM_composite']
    (start,) = [i for i, line in enumerate(output) if line.split() == names]
    rows = {
        line.rsplit(maxsplit=4)[0]: [float(x) for x in line.split()[-4:]]
        for line in output[start + 1 : start + 5]
    }
    metrics = json.loads((tested / 'metrics.json').read_text())
    assert rows['the model'] == pytest.approx([metrics[name] for name in names], abs=0.006)
    assert rows['masked image as it is'][0] < rows['masked image filled with its mean colour'][0]
    assert '10 validation images, 10 training images' in output[start - 1]


def test_predictions_are_kept_in_mixed_precision(config, trained, tmp_path):
    tool(
        'test.py',
        config,
        trained / 'epoch_2.pth',
        '--work-dir',
        tmp_path,
        '--amp',
        '--out',
        tmp_path / 'kept.pkl',
    )
    kept = pickle.loads((tmp_path / 'kept.pkl').read_bytes())
    assert len(kept) == 10 and kept[0]['pred_image'].dtype == torch.uint8


def test_clusters_of_models_are_drawn_side_by_side(config, trained, tmp_path):
    model = config, trained / 'epoch_2.pth'
    output = tool(
        'draw_clusters.py',
        *model,
        *model,
        '--names',
        'one',
        'other',
        '--out',
        tmp_path,
        '--layers',
        1,
        '--images',
        0,
        9,
        '--clusters',
        3,
    )
    drawn = [line for line in output.splitlines() if line.endswith('.png')]
    assert drawn == [f'{tmp_path}/boxes_00000.png', f'{tmp_path}/waves_00000.png']
    width, height = Image.open(tmp_path / 'boxes_00000.png').size
    assert width > 500 and height > 500
    for options, message in [
        ((), 'a name of its own for each of 2 models'),
        (('--names', 'a', 'b', '--layers', '2'), 'the model has layers 1 to 1'),
        (('--names', 'a', 'b', '--images', '10'), 'the test set has images 0 to 9'),
    ]:
        assert message in tool(
            'draw_clusters.py', *model, *model, '--out', tmp_path, *options, succeeds=False
        )


def test_spectra_are_drawn_and_their_zeros_printed(config, trained, tmp_path):
    def zeros(*options):
        output = tool(
            'draw_spectra.py',
            config,
            trained / 'epoch_2.pth',
            '--out',
            tmp_path,
            '--images',
            3,
            *options,
        )
        ((file, share),) = re.findall('(.*png): zeros in layer 1: (.*)', output)
        assert np.array(Image.open(file)).std() > 10
        return float(share.rstrip('%'))

    assert 0 < zeros() < 99
    assert zeros('--cfg-options', 'model.backbone.mixer.sparsity_threshold=1e6') == 100
    assert zeros('--masked', '--cfg-options', 'model.backbone.mixer.sparsity_threshold=0') == 0
