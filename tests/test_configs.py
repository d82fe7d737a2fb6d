"""All experiments: they train, have the size that their header states, and share their bases."""

import ast
import json
import math
import re
import runpy
import sys
from pathlib import Path

import mmpretrain
import pytest
import torch
from afno_mm.backbones.pretrained import load_pretrained
from afno_mm.engine import command_line, load_config
from afno_mm.engine.one_step import one_step
from afno_mm.registry import MODELS
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from one_weight import train

FOLDER = Path(__file__).parents[1] / 'configs'
CONFIGS = sorted(FOLDER.glob('*.py'))
BASES = sorted(FOLDER.glob('_base_/**/*.py'))
# Millions of parameters of stock SegFormer. AFNO and GFN match them, except in the paper's own B3.
STOCK = {'b0': 3.72, 'b1': 13.68, 'b2': 27.36, 'b3': 47.24}
MIXERS = ('afno', 'esa', 'fno', 'gfn', 'ls', 'sa', 'static')


def stated_millions(path):
    """The parameters that the header of a config states, or None."""
    stated = re.search(r'Parameters: ([\d.]+)M', path.read_text())
    return float(stated[1]) if stated else None


def kind(path):
    """Backbone class, mixer and task of an experiment, from its name."""
    family, mixer = path.stem.split('_')[:2]
    mixer = mixer.rstrip('0123456789')
    tasks = dict(inpainting='inpainting', imagenet='classification', images='classification')
    task = next((task for word, task in tasks.items() if word in path.stem), 'segmentation')
    return family.replace('segformer', 'mit'), mixer if mixer in MIXERS else None, task


def smallest_of_each_kind():
    smallest = {}
    for path in sorted(CONFIGS, key=lambda path: stated_millions(path) or math.inf):
        smallest.setdefault(kind(path), path)
    return set(smallest.values())


QUICK = smallest_of_each_kind()


def load(path, monkeypatch):
    for name in ('CITYSCAPES', 'IMAGENET', 'PARTS'):
        monkeypatch.delenv(f'{name}_DATASET', raising=False)
    return Config.fromfile(path)


def millions(model):
    return sum(p.numel() for p in model.parameters()) / 1e6


@pytest.mark.parametrize(
    'path',
    [
        pytest.param(path, id=path.stem, marks=[] if path in QUICK else pytest.mark.slow)
        for path in CONFIGS
    ],
)
def test_config_trains_a_model_of_the_size_it_states(path, monkeypatch):
    """Small images are enough here. tools/one_step.py takes a step at the size of the paper."""
    result = one_step(load(path, monkeypatch), size=(64, 64), batch_size=2)
    assert math.isfinite(result['loss']) and not result['without_gradient']
    millions = result['parameters'] / 1e6
    if stated := stated_millions(path):
        assert millions == pytest.approx(stated, abs=0.006)
    size = re.search(r'_(b[0-9])_|$', path.stem)[1]
    fourier = path.stem.startswith(('segformer_afno_', 'segformer_gfn_'))
    if path.stem.startswith('segformer_esa_') or (fourier and size != 'b3'):
        assert millions == pytest.approx(STOCK[size], rel=0.005)


@pytest.mark.parametrize(
    'path',
    [
        pytest.param(path, id=path.stem, marks=[] if path in QUICK else pytest.mark.slow)
        for path in sorted(FOLDER.glob('mit_*_imagenet.py'))
    ],
)
def test_checkpoint_of_a_classifier_fills_its_segmentor(path, monkeypatch, tmp_path):
    weights = str(tmp_path / 'epoch_300.pth')
    with torch.device('meta'), DefaultScope.overwrite_default_scope('mmpretrain'):
        classifier = MODELS.build(load(path, monkeypatch).model)
    classifier.to_empty(device='cpu')
    torch.save(dict(state_dict=classifier.state_dict()), weights)
    name = path.stem.replace('mit_', 'segformer_').replace('_imagenet', '_cityscapes')
    backbone = load(path.with_stem(name), monkeypatch).model.backbone
    backbone.pop('init_cfg', None)
    report = load_pretrained(MODELS.build(backbone), weights)
    assert len(report.pop('loaded')) == len(classifier.backbone.state_dict())
    assert not any(report.values()), report


def bases(path):
    """The files that `_base_` of a config names."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == '_base_':
            value = ast.literal_eval(node.value)
            return [path.parent / name for name in ([value] if isinstance(value, str) else value)]
    return []


def test_experiments_inherit_from_base_files_and_from_no_other_experiment():
    named = set()
    for path in CONFIGS + BASES:
        assert set(bases(path)) <= set(BASES), path
        named.update(bases(path))
    assert named == set(BASES)
    # Base files form chains: each has at most one base.
    assert all(len(bases(path)) <= 1 for path in BASES)


def test_each_backbone_is_written_once():
    written = {}
    for path in BASES:
        backbone = Config.fromfile(path).get('backbone')
        if backbone:
            text = json.dumps(backbone.to_dict(), sort_keys=True)
            assert text not in written, (path, written[text])
            written[text] = path
    for path in CONFIGS:
        text = path.read_text()
        assert "_base_.pop('backbone')" in text, path
        assert not re.search(r'embed_dims=|num_layers=|depths?=|arch=', text), path


# Two experiments on one network, and the keys of the backbone that may differ.
SHARED = [
    (
        path.stem,
        path.stem.replace('mit', 'segformer').replace('imagenet', 'cityscapes'),
        {'out_indices', 'init_cfg'},
    )
    for path in sorted(FOLDER.glob('mit_*_imagenet.py'))
]
SHARED += [
    (f'vit_{mixer}_s4_imagenet', f'vit_{mixer}_s4_cityscapes', {'img_size'})
    for mixer in ('sa', 'ls', 'gfn', 'afno', 'afno_filter')
]
SHARED += [
    ('mit_afno_b0_images', 'segformer_afno_b0_scenes', {'out_indices'}),
    ('mit_afno_b0_images', 'mit_afno_b0_imagenet', set()),
    ('vit_afno_inpainting_demo', 'vit_afno_faces_demo', set()),
]


@pytest.mark.parametrize('one, other, keys', SHARED)
def test_experiments_on_one_network_share_the_backbone(one, other, keys):
    one, other = (
        Config.fromfile(FOLDER / f'{name}.py').model.backbone.to_dict() for name in (one, other)
    )
    differing = {key for key in one | other if one.get(key) != other.get(key)}
    assert differing <= keys


@pytest.mark.parametrize('path', sorted(FOLDER.glob('*_afno_filter_*.py')), ids=lambda p: p.stem)
def test_filters_cost_no_parameters_and_the_header_counts_them(path):
    models = []
    for file in (path, FOLDER / path.name.replace('_filter', '')):
        cfg = Config.fromfile(file)
        with DefaultScope.overwrite_default_scope(cfg.default_scope), torch.device('meta'):
            models.append(MODELS.build(cfg.model))
    ours, afno = (sum(p.numel() for p in model.parameters()) / 1e6 for model in models)
    assert ours == pytest.approx(afno, rel=0.002)
    header = path.read_text()
    assert f'Parameters: {ours:.2f}M; ' in header and f' has {afno:.2f}M.' in header


def test_truncation_is_all_that_sets_afno25_apart():
    full, quarter = (
        Config.fromfile(FOLDER / f'segformer_{name}_b3_cityscapes.py').to_dict()
        for name in ('afno', 'afno25')
    )
    assert quarter['model']['backbone']['mixer'].pop('mode_fraction') == 0.5
    assert quarter == full


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_upstream_s_tools_find_what_they_need(path):
    """visualization_cam.py reads data_preprocessor, vis_scheduler.py hooks and schedule.

    vis_tsne.py reads log_level.
    """
    cfg = Config.fromfile(path)
    assert set(cfg.default_hooks) == {
        'timer',
        'logger',
        'param_scheduler',
        'checkpoint',
        'sampler_seed',
        'visualization',
        'memory',
        'pictures',
    }
    assert 'param_scheduler' in cfg and cfg.log_level == 'INFO'
    assert cfg.data_preprocessor == cfg.model.data_preprocessor
    assert len(cfg.data_preprocessor.mean) == len(cfg.data_preprocessor.std) == 3
    # The variable of the base file does not become a key of the config.
    assert 'backbone' not in cfg


@pytest.mark.parametrize(
    'name',
    [
        'mit_afno_b0_imagenet',
        'segformer_afno_b0_cityscapes',
        'vit_afno_faces_demo',
        'vit_afno_inpainting_demo',
        'deeplabv3plus_r101_cityscapes',
    ],
)
def test_mmpretrain_draws_the_schedule(name, monkeypatch, tmp_path):
    script = Path(mmpretrain.__file__).parent / '.mim/tools/visualization/vis_scheduler.py'
    if not script.exists():
        pytest.skip(f'{script} is not installed')
    monkeypatch.setenv('MPLBACKEND', 'Agg')
    monkeypatch.chdir(tmp_path)
    arguments = [FOLDER / f'{name}.py', '--dataset-size', 2048, '--not-show']
    arguments += ['--save-path', 'rate.png', '--cfg-options', 'train_cfg.max_epochs=10']
    monkeypatch.setattr(sys, 'argv', [str(each) for each in (script, *arguments)])
    runpy.run_path(str(script), run_name='__main__')
    assert Path('rate.png').stat().st_size > 10_000


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_header_names_the_command_and_the_number_to_expect(path):
    header = path.read_text().split('_base_')[0]
    assert f'configs/{path.name}' in header and 'Expect: ' in header


def test_segformer_afno_b3_has_the_settings_of_the_paper(monkeypatch):
    """A.3: widths, blocks, depths, epochs, learning rate, crops, evaluation, loss, decoder."""
    cfg = load(FOLDER / 'segformer_afno_b3_cityscapes.py', monkeypatch)
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(cfg.model)
    blocks = [[block.attn for block in layer[1]] for layer in model.backbone.layers]
    assert [len(b) for b in blocks] == [3, 4, 18, 3]
    assert [b[0].embed_dims for b in blocks] == [208, 288, 440, 512]
    assert [b[0].num_blocks for b in blocks] == [1, 2, 5, 8]
    assert model.decode_head.channels == 768
    assert millions(model.backbone) == pytest.approx(46.57, abs=0.005)
    assert cfg.train_cfg.max_epochs == 450 and cfg.optim_wrapper.optimizer.lr == 1.2e-4
    (crop,) = (t for t in cfg.train_pipeline if t.type == 'RandomCrop')
    assert crop.crop_size == (1024, 1024) == cfg.model.test_cfg.crop_size
    assert type(model.decode_head.loss_decode).__name__ == 'CrossEntropyLoss'


def test_data_root_follows_the_environment(monkeypatch):
    path = FOLDER / 'segformer_afno_b3_cityscapes.py'
    assert load(path, monkeypatch).train_dataloader.dataset.data_root == 'data/cityscapes/'
    monkeypatch.setenv('CITYSCAPES_DATASET', '/data/cs')
    cfg = Config.fromfile(path)
    assert {cfg[f'{part}_dataloader'].dataset.data_root for part in ('train', 'val', 'test')} == {
        '/data/cs'
    }


def test_data_root_reaches_wrapped_data_sets(tmp_path):
    path = tmp_path / 'wrapped.py'
    path.write_text("""
data_root = 'old'
one = dict(type='BaseSegDataset', data_root=data_root)
train_dataloader = dict(dataset=dict(type='RepeatDataset', times=2, dataset=one))
val_dataloader = dict(dataset=dict(
    type='ConcatDataset', datasets=[one, dict(type='BaseSegDataset', data_root='another')]))
""")
    cfg = load_config(command_line('').parse_args([str(path), '--cfg-options', 'data_root=new']))
    assert cfg.train_dataloader.dataset.dataset.data_root == 'new'
    assert [each.data_root for each in cfg.val_dataloader.dataset.datasets] == ['new', 'another']


@pytest.mark.parametrize(
    'path',
    [*sorted(FOLDER.glob('*_imagenet.py')), *sorted(FOLDER.glob('*_inpainting.py'))],
    ids=lambda p: p.stem,
)
def test_learning_rate_ends_at_1e_5(path, monkeypatch):
    cfg = load(path, monkeypatch)
    schedules = cfg.param_scheduler
    cosine = schedules[-1] if isinstance(schedules, list) else schedules
    assert cosine.eta_min_ratio * cfg.optim_wrapper.optimizer.lr == pytest.approx(1e-5)


def mixer_with(monkeypatch, config, *options):
    """The first stage's mixer of a config after ``--cfg-options``."""
    monkeypatch.delenv('CITYSCAPES_DATASET', raising=False)
    path = FOLDER / f'{config}.py'
    cfg = load_config(command_line('').parse_args([str(path), '--cfg-options', *options]))
    with DefaultScope.overwrite_default_scope('mmseg'):
        return MODELS.build(cfg.model).backbone.layers[0][1][0].attn


def test_mixer_changes_from_the_command_line(monkeypatch):
    mixer = mixer_with(
        monkeypatch,
        'segformer_afno_b0_cityscapes',
        'model.backbone.mixer.num_blocks=4',
        'model.backbone.mixer.mode_fraction=.5',
    )
    assert mixer.num_blocks == 4 and mixer.mode_fraction == 0.5
    mixer = mixer_with(
        monkeypatch,
        'segformer_afno_b0_cityscapes',
        'model.backbone.mixer.type=GFN',
        'model.backbone.mixer.resize=exact',
    )
    assert type(mixer).__name__ == 'GFN' and mixer.resize == 'exact'
    mixer = mixer_with(
        monkeypatch,
        'segformer_afno_b0_cityscapes',
        'model.backbone.mixer.type=AFNO',
        'model.backbone.mixer.mode_fraction=.5',
    )
    assert mixer.num_blocks == 1 and mixer.mode_fraction == 0.5
    mixer = mixer_with(
        monkeypatch,
        'segformer_esa_b0_cityscapes',
        'model.backbone.init_cfg=None',
        'model.backbone.mixer=None',
    )
    assert type(mixer).__name__ == 'EfficientMultiheadAttention'


def test_mixers_of_a_list_change_from_the_command_line(tmp_path):
    path = tmp_path / 'mixture.py'
    path.write_text("model = dict(backbone=dict(mixer=[dict(type='AFNO', num_blocks=1), None]))\n")

    def mixer(*options):
        arguments = command_line('').parse_args([str(path), '--cfg-options', *options])
        return load_config(arguments).model.backbone.mixer

    afno, gfn = dict(type='AFNO', num_blocks=1), dict(type='GFN')
    assert mixer('model.backbone.mixer.0.type=GFN') == [gfn, None]
    assert mixer('model.backbone.mixer.1.type=GFN') == [afno, gfn]
    assert mixer('model.backbone.mixer.0.num_blocks=2') == [dict(afno, num_blocks=2), None]
    assert mixer('model.backbone.mixer.type=GFN') == gfn
    with pytest.raises(IndexError, match=r'mixer\.2\.type=GFN: model\.backbone\.mixer has 2'):
        mixer('model.backbone.mixer.2.type=GFN')
    path.write_text("model = dict(backbone=dict(mixer=dict(type='AFNO')))\n")
    with pytest.raises(ValueError, match=r'model\.backbone\.mixer is not a list'):
        mixer('model.backbone.mixer.0.type=GFN')


@pytest.mark.slow
def test_heads_learn_faster_and_norms_do_not_decay(monkeypatch):
    for name in ('segformer_ls_b3_cityscapes', 'swin_t_cityscapes', 'vit_afno_s4_cityscapes'):
        cfg = load(FOLDER / f'{name}.py', monkeypatch)
        cfg.model.backbone.pop('init_cfg', None)
        with DefaultScope.overwrite_default_scope('mmseg'):
            model = MODELS.build(cfg.model)
        optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
        groups = {id(p): group for group in optimizer.param_groups for p in group['params']}
        for module_name, module in model.named_modules():
            for key, parameter in module.named_parameters(recurse=False):
                group = groups[id(parameter)]
                head = module_name.startswith('decode_head')
                assert group['lr'] == pytest.approx(1.2e-3 if head else 1.2e-4)
                none = isinstance(module, torch.nn.LayerNorm) or key in (
                    'pos_embed',
                    'relative_position_bias_table',
                )
                assert group['weight_decay'] == (0 if none else 0.01), (module_name, key)


def test_pretrained_weights_can_be_set_and_left_out(monkeypatch):
    stock = load(FOLDER / 'segformer_esa_b0_cityscapes.py', monkeypatch)
    assert stock.model.backbone.init_cfg.checkpoint.startswith('https://')
    stock.merge_from_dict({'model.backbone.init_cfg': None})
    afno = load(FOLDER / 'segformer_afno_b0_cityscapes.py', monkeypatch)
    afno.merge_from_dict(
        {
            'model.backbone.init_cfg.type': 'Pretrained',
            'model.backbone.init_cfg.checkpoint': '/nowhere.pth',
        }
    )
    with DefaultScope.overwrite_default_scope('mmseg'):
        MODELS.build(stock.model).init_weights()
        with pytest.raises(FileNotFoundError, match='/nowhere.pth'):
            MODELS.build(afno.model).init_weights()


def test_learning_rate_falls_to_zero_whatever_the_epochs(monkeypatch, tmp_path):
    """--cfg-options train_cfg.max_epochs=N does not cut off the schedule."""
    cfg = load(FOLDER / 'segformer_afno_b3_cityscapes.py', monkeypatch)
    warm_up, decay = cfg.param_scheduler
    assert (warm_up.type, warm_up.end, warm_up.by_epoch) == ('LinearLR', 1500, False)
    rates = []

    class Record(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            rates.extend(runner.optim_wrapper.get_lr()['lr'])

    train(tmp_path, 5, decay, Record())
    # 20 steps, falling evenly from 1.
    assert rates == pytest.approx([1 - step / 19 for step in range(20)], abs=1e-6)
