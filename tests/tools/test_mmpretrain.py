"""The tools on a config of MMPretrain: images in folders of classes, with EMA."""

import json
import pickle

import numpy as np
import pytest
from PIL import Image
from running import scalars, tool


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    root = tmp_path_factory.mktemp('imagenet')
    rng = np.random.default_rng(0)
    for name in [
        f'{split}/n0{label}/{label}{i}'
        for split in ('train', 'val')
        for label in range(2)
        for i in range(3)
    ]:
        path = root / f'{name}.JPEG'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(path)
    path = root / 'tiny_classifier.py'
    path.write_text(f"""
default_scope = 'mmpretrain'
widths = [8, 16, 20, 32]
model = dict(
    type='ImageClassifier',
    backbone=dict(type='afno_mm.MiT', embed_dims=widths, num_layers=[1, 1, 1, 1],
                  out_indices=(3, ), mixer=dict(type='AFNO', num_blocks=[1, 2, 5, 8])),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=2, in_channels=32,
              loss=dict(type='CrossEntropyLoss'), topk=(1, )),
    data_preprocessor=dict(num_classes=2, mean=[127.] * 3, std=[60.] * 3, to_rgb=True))
pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=32),
            dict(type='PackInputs')]


def loader(split, shuffle):
    return dict(batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=shuffle),
                dataset=dict(type='CustomDataset', data_root={str(root)!r}, data_prefix=split,
                             with_label=True, pipeline=pipeline))


train_dataloader = loader('train', True)
val_dataloader = test_dataloader = loader('val', False)
del loader
val_evaluator = test_evaluator = dict(type='Accuracy', topk=(1, ))
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-3))
train_cfg = dict(by_epoch=True, max_epochs=1)
val_cfg = test_cfg = dict()
default_hooks = dict(logger=dict(type='LoggerHook', interval=1),
                     checkpoint=dict(type='CheckpointHook', interval=1),
                     visualization=dict(type='VisualizationHook', enable=False))
visualizer = dict(type='UniversalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
custom_hooks = [dict(type='EMAHook')]
""")
    return path


@pytest.mark.slow
def test_train_test_and_predictions(config, tmp_path):
    tool('train.py', config, '--work-dir', tmp_path)
    *steps, evaluation = scalars(tmp_path)
    assert len(steps) == 3 and all(np.isfinite(step['loss']) for step in steps)
    metrics = tmp_path / 'metrics.json'
    checkpoint = tmp_path / 'epoch_1.pth'
    tool(
        'test.py',
        config,
        checkpoint,
        '--work-dir',
        tmp_path / 'test',
        '--out',
        metrics,
        '--out-item',
        'metrics',
        '--show-dir',
        tmp_path / 'pictures',
    )
    assert json.loads(metrics.read_text())['accuracy/top1'] == evaluation['accuracy/top1']
    assert len(list((tmp_path / 'pictures').rglob('*.png'))) == 6
    output = tool('baseline.py', config, '--beside', metrics)
    assert 'most frequent class of 6 training images: 50.00' in output
    assert f'the model: {evaluation["accuracy/top1"]:.2f}' in output
    tool(
        'test.py',
        config,
        checkpoint,
        '--work-dir',
        tmp_path / 'test',
        '--tta',
        '--out',
        tmp_path / 'predictions.pkl',
    )
    assert len(pickle.loads((tmp_path / 'predictions.pkl').read_bytes())) == 6
