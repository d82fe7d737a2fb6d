"""The tools on few-shot segmentation: data, baseline, training from a checkpoint, resume."""

import json

import pytest
from running import REPOSITORY, scalars, tool

pytestmark = pytest.mark.slow
CONFIG = REPOSITORY / 'configs/vit_afno_faces_demo.py'


def short(parts, epochs):
    roots = [
        f'{part}_dataloader.{key}'
        for part in ('train', 'val', 'test')
        for key in ('num_workers=0', f'dataset.data_root={parts}/faces')
    ]
    return [
        '--cfg-options',
        *roots,
        f'train_cfg.max_epochs={epochs}',
        'train_cfg.val_interval=1',
        'default_hooks.checkpoint.interval=1',
    ]


@pytest.fixture(scope='module')
def parts(tmp_path_factory):
    root = tmp_path_factory.mktemp('parts')
    output = tool('data/make_parts.py', root, '--train', 8, '--val', 2, '--size', 64)
    assert '30 new images' in output
    return str(root)


def test_training_from_a_checkpoint_keeps_the_best_over_a_resume(parts, tmp_path):
    first = tmp_path / 'first'
    tool('train.py', CONFIG, '--work-dir', first, *short(parts, 1))
    one = scalars(first)[-1]['mIoU']

    tuned = tmp_path / 'tuned'
    init = [
        f'model.backbone.init_cfg.{key}={value}'
        for key, value in dict(
            type='Pretrained', checkpoint=first / 'epoch_1.pth', prefix='backbone.'
        ).items()
    ]
    output = tool('train.py', CONFIG, '--work-dir', tuned, *short(parts, 2), *init)
    assert 'epoch_1.pth: 53 of 53 tensors of ViT loaded' in output
    values = [line['mIoU'] for line in scalars(tuned) if 'mIoU' in line]
    best = json.loads((tuned / 'best.json').read_text())
    assert best['metric'] == 'mIoU' and best['value'] == pytest.approx(max(values), abs=1e-4)

    resumed = tool('train.py', CONFIG, '--work-dir', first, '--resume', *short(parts, 2))
    best = json.loads((first / 'best.json').read_text())
    assert best['value'] >= one and f'best mIoU {best["value"]} at {best["when"]}' in resumed


def test_baseline_is_the_most_frequent_class_of_each_pixel(parts):
    output = tool('baseline.py', REPOSITORY / 'configs/vit_gfn_b4_cars.py', PARTS_DATASET=parts)
    assert 'most frequent class of each pixel in 8 training images: ' in output


def test_converter_names_the_folders_it_needs(tmp_path):
    output = tool('data/convert_datasetgan.py', tmp_path, tmp_path / 'out', succeeds=False)
    assert 'annotation/{training_data,testing_data}' in output
