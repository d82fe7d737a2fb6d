"""The tools as a user runs them, on generated scenes of 64x128 pixels."""

import json

import numpy as np
import pytest
import torch
from afno_mm.registry import MODELS
from generators.scenes import make_scenes
from mmengine.config import Config
from PIL import Image
from running import REPOSITORY, call, scalars, tool

pytestmark = pytest.mark.slow
CONFIG = REPOSITORY / 'configs/segformer_afno_b0_scenes.py'


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp('scenes')
    make_scenes(str(root), num_train=4, num_val=2, size=(64, 128))
    return root


@pytest.fixture(scope='module')
def config(scenes, tmp_path_factory):
    """Write the demo's config, shortened to seconds and without randomness in data and model."""
    path = tmp_path_factory.mktemp('config') / 'tiny.py'
    path.write_text(f"""
_base_ = {str(CONFIG)!r}
train_pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
                  dict(type='Resize', scale=(128, 64)), dict(type='PackSegInputs')]
test_pipeline = train_pipeline
train_dataloader = dict(batch_size=4, num_workers=0,
                        dataset=dict(data_root={str(scenes)!r}, pipeline=train_pipeline))
val_dataloader = dict(num_workers=0,
                      dataset=dict(data_root={str(scenes)!r}, pipeline=test_pipeline))
test_dataloader = val_dataloader
model = dict(data_preprocessor=dict(size=(64, 128)), backbone=dict(drop_path_rate=0.),
             decode_head=dict(dropout_ratio=0.))
optim_wrapper = dict(optimizer=dict(_delete_=True, type='SGD', lr=0.1, weight_decay=0.),
                     clip_grad=None)
param_scheduler = None
train_cfg = dict(max_epochs=1, val_interval=1)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=1))
randomness = dict(seed=0)
""")
    return path


@pytest.fixture(scope='module')
def trained(config, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('work')
    tool('train.py', config, '--work-dir', work_dir)
    return work_dir


def test_train_checkpoints_and_evaluates(trained):
    step, evaluation = scalars(trained)
    assert np.isfinite(step['loss']) and step['loss'] == pytest.approx(step['decode.loss_ce'])
    assert 0 <= evaluation['mIoU'] <= 100
    assert (trained / 'epoch_1.pth').is_file()


def test_both_evaluations_of_a_test_give_the_validation_s_miou(trained, config, tmp_path):
    output = tool(
        'test.py',
        config,
        trained / 'epoch_1.pth',
        '--work-dir',
        tmp_path,
        '--out',
        tmp_path / 'metrics.json',
        '--out-item',
        'metrics',
        '--show-dir',
        tmp_path / 'pictures',
    )
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    assert metrics['mIoU'] == scalars(trained)[-1]['mIoU']
    assert metrics['cityscapes/mIoU'] == pytest.approx(metrics['mIoU'], abs=0.011)
    assert 'cityscapesscripts: mIoU' in output
    pictures = sorted((tmp_path / 'pictures').rglob('*.png'))
    assert len(pictures) == 2
    # Truth and prediction side by side.
    assert Image.open(pictures[0]).size == (256, 64)


def test_predictions_are_kept_as_label_ids_under_tta_and_amp(trained, config, tmp_path):
    tool(
        'test.py',
        config,
        trained / 'epoch_1.pth',
        '--work-dir',
        tmp_path / 'w',
        '--out',
        tmp_path / 'out',
        '--tta',
        '--amp',
    )
    kept = sorted((tmp_path / 'out').glob('*.png'))
    assert len(kept) == 2
    label_ids = {7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33}
    assert set(np.unique(np.array(Image.open(kept[0])))) <= label_ids


@pytest.mark.parametrize('how', ['path', 'newest in the work dir'])
def test_resumed_training_continues(how, trained, config, tmp_path):
    resume = ['--resume', trained / 'epoch_1.pth']
    if how != 'path':
        (tmp_path / 'last_checkpoint').write_text(str(resume.pop()))
    tool(
        'train.py',
        config,
        '--work-dir',
        tmp_path,
        *resume,
        '--no-validate',
        '--amp',
        '--cfg-options',
        'train_cfg.max_epochs=2',
    )
    assert (tmp_path / 'epoch_2.pth').is_file()
    (step,) = scalars(tmp_path)
    assert step['epoch'] == 2


def test_all_weights_of_a_training_s_checkpoint_serve_as_pretrained_weights(trained):
    cfg = Config.fromfile(CONFIG).model.backbone
    cfg.init_cfg = dict(type='Pretrained', checkpoint=str(trained / 'epoch_1.pth'))
    backbone = MODELS.build(cfg)
    backbone.init_weights()
    state = torch.load(trained / 'epoch_1.pth', weights_only=False)['state_dict']
    for name, value in backbone.state_dict().items():
        assert torch.equal(value, state[f'backbone.{name}'])


def test_checkpoint_that_does_not_fit_is_refused(trained, config, tmp_path):
    output = tool(
        'test.py',
        config,
        trained / 'epoch_1.pth',
        '--work-dir',
        tmp_path,
        '--cfg-options',
        'model.decode_head.channels=128',
        succeeds=False,
    )
    assert 'size mismatch' in output and 'decode_head' in output


def test_a_test_leaves_the_config_of_the_training_as_it_is(trained, config, tmp_path):
    copy = trained / config.name
    before = copy.read_bytes()
    options = '--cfg-options', 'model.decode_head.channels=128'
    tool(
        'test.py', config, trained / 'epoch_1.pth', '--work-dir', trained, *options, succeeds=False
    )
    assert copy.read_bytes() == before


def test_two_processes_step_as_one_with_twice_the_batch(trained, config, tmp_path):
    call(
        'bash',
        REPOSITORY / 'tools/dist_train.sh',
        config,
        2,
        '--work-dir',
        tmp_path,
        '--cfg-options',
        'train_dataloader.batch_size=2',
        PORT='29611',
        CUDA_VISIBLE_DEVICES='',
    )
    one, two = scalars(trained), scalars(tmp_path)
    assert two[0]['loss'] == pytest.approx(one[0]['loss'], rel=1e-5)
    assert two[1]['mIoU'] == pytest.approx(one[1]['mIoU'], abs=0.2)
    weights = [
        torch.load(w / 'epoch_1.pth', weights_only=False)['state_dict'] for w in (trained, tmp_path)
    ]
    assert list(weights[0]) == list(weights[1])
    for name in weights[0]:
        torch.testing.assert_close(weights[1][name], weights[0][name], rtol=1e-3, atol=1e-5)
    output = call(
        'bash',
        REPOSITORY / 'tools/dist_test.sh',
        config,
        tmp_path / 'epoch_1.pth',
        2,
        '--work-dir',
        tmp_path / 'test',
        '--out',
        tmp_path / 'metrics.json',
        '--out-item',
        'metrics',
        PORT='29611',
        CUDA_VISIBLE_DEVICES='',
    )
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    assert metrics['mIoU'] == two[1]['mIoU'], output[-3000:]


def test_two_processes_train_in_mixed_precision_with_checkpointing(config, tmp_path):
    call(
        'bash',
        REPOSITORY / 'tools/dist_train.sh',
        config,
        2,
        '--work-dir',
        tmp_path,
        '--amp',
        '--no-validate',
        '--cfg-options',
        'train_dataloader.batch_size=2',
        'model.backbone.with_cp=True',
        PORT='29612',
        CUDA_VISIBLE_DEVICES='',
    )
    assert np.isfinite(scalars(tmp_path)[0]['loss'])


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--out-item', 'metrics'], '--out is missing'),
        (['--out', 'metrics', '--out-item', 'metrics'], '.json file'),
    ],
)
def test_out_options_that_do_not_fit_are_refused_at_once(config, arguments, message):
    assert message in tool('test.py', config, 'none.pth', *arguments, succeeds=False)


@pytest.fixture
def their_package(tmp_path):
    """Write a package outside the repository with a mixer, registered in both ways."""
    package = tmp_path / 'their_pkg'
    package.mkdir()
    (package / '__init__.py').write_text('')
    (package / 'registry.py').write_text(
        'from mmengine import registry\n'
        "MODELS = registry.Registry('model', parent=registry.MODELS, scope='their_pkg',\n"
        "                           locations=['their_pkg.mixers'])\n"
    )
    (package / 'mixers.py').write_text(
        'from torch import nn\n'
        'from afno_mm.registry import MODELS as AFNO_MM\n'
        'from .registry import MODELS\n\n\n'
        '@AFNO_MM.register_module()\n'
        '@MODELS.register_module()\n'
        'class DepthwiseMixer(nn.Module):\n\n'
        '    def __init__(self, embed_dims, kernel_size=3):\n'
        '        super().__init__()\n'
        '        self.conv = nn.Conv2d(embed_dims, embed_dims, kernel_size,\n'
        '                              padding=kernel_size // 2, groups=embed_dims)\n\n'
        '    def forward(self, x):\n'
        '        return self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)\n'
    )
    return tmp_path


def test_mixer_of_another_package_by_a_config(their_package, config):
    path = their_package / 'theirs.py'
    path.write_text(
        f'_base_ = {str(config)!r}\n'
        "custom_imports = dict(imports=['their_pkg.mixers'])\n"
        'model = dict(backbone=dict(mixer=dict(\n'
        "    _delete_=True, type='DepthwiseMixer', kernel_size=[3, 5, 3, 3])))\n"
    )
    tool('train.py', path, '--work-dir', their_package / 'w', PYTHONPATH=str(their_package))
    state = torch.load(their_package / 'w/epoch_1.pth', weights_only=False)['state_dict']
    assert state['backbone.layers.1.1.0.attn.conv.weight'].shape[-1] == 5


def test_mixer_of_another_package_from_the_command_line(their_package, config):
    output = tool(
        'train.py',
        config,
        '--work-dir',
        their_package / 'w',
        '--no-validate',
        '--cfg-options',
        'model.backbone.mixer.type=their_pkg.DepthwiseMixer',
        PYTHONPATH=str(their_package),
    )
    assert "replaces {'type': 'AFNO', 'num_blocks': [1, 2, 5, 8]" in output
    state = torch.load(their_package / 'w/epoch_1.pth', weights_only=False)['state_dict']
    assert 'backbone.layers.1.1.0.attn.conv.weight' in state


def test_missing_dataset_stops_before_the_first_step(config, tmp_path):
    output = tool(
        'train.py',
        config,
        '--work-dir',
        tmp_path,
        '--cfg-options',
        'train_dataloader.dataset.data_root=/nowhere',
        succeeds=False,
    )
    assert 'data/make_scenes.py /nowhere' in output and 'Epoch(train)' not in output


def test_data_root_on_the_command_line_reaches_the_data_sets(config, tmp_path):
    output = tool(
        'train.py',
        CONFIG,
        '--work-dir',
        tmp_path,
        '--cfg-options',
        'data_root=/nowhere',
        succeeds=False,
    )
    assert 'there is no folder /nowhere/leftImg8bit/train' in output


def test_baseline_is_printed_beside_the_model(config, tmp_path):
    (tmp_path / 'metrics.json').write_text('{"mIoU": 43.21}')
    output = tool('baseline.py', config, '--beside', tmp_path / 'metrics.json')
    assert 'most frequent class of each pixel in 4 training images: ' in output
    assert 'the model: 43.21' in output

    (tmp_path / 'tuned').mkdir()
    (tmp_path / 'tuned/metrics.json').write_text('{"mIoU": 56.78}')
    output = tool(
        'baseline.py',
        config,
        '--beside',
        tmp_path / 'metrics.json',
        tmp_path / 'tuned/metrics.json',
    )
    assert f'{tmp_path}: 43.21\n  {tmp_path}/tuned: 56.78' in output
