"""A warm start: new mixers learn from a trained network, and nothing else changes."""

import re

import cv2
import numpy as np
import pytest
import torch
from afno_mm.engine import build_runner
from afno_mm.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from safetensors.torch import save_file

MIT = dict(type='afno_mm.MiT', embed_dims=8, num_layers=[1, 2, 1, 1], num_heads=[1, 2, 4, 8])
VIT = dict(img_size=64, patch_size=8, with_cls_token=False)
LAYERS = dict(embed_dims=24, num_layers=2, num_heads=2)
HEAD = dict(type='mmseg.FCNHead', channels=8, num_classes=3, num_convs=1, norm_cfg=dict(type='BN'))
BACKBONES = {
    'MiT': (MIT, dict(HEAD, in_index=3, in_channels=64)),
    'SegSwin': (
        dict(type='afno_mm.SegSwin', embed_dims=16, depths=[1, 2], num_heads=[1, 2])
        | dict(strides=(4, 2), out_indices=(0, 1)),
        dict(HEAD, in_index=1, in_channels=32),
    ),
    'SegViT': (dict(VIT, type='afno_mm.SegViT', mlp_ratio=2, **LAYERS), dict(HEAD, in_channels=24)),
    'ViT': (
        dict(VIT, type='afno_mm.ViT', arch=dict(LAYERS, feedforward_channels=48))
        | dict(out_type='avg_featmap', drop_path_rate=0.5, layer_scale_init_value=0.5),
        dict(type='mmpretrain.LinearClsHead', in_channels=24, num_classes=3),
    ),
}
BACKBONES['Swin'] = (
    dict(type='afno_mm.Swin', arch=dict(embed_dims=16, depths=[1, 2], num_heads=[1, 2]))
    | dict(out_indices=(1,), pad_small_map=True),
    dict(BACKBONES['ViT'][1], in_channels=32),
)
CLASSIFIERS = 'ViT', 'Swin'
AFNO = dict(type='AFNO', num_blocks=2)
# The mixers and the norms before them, by parts of their names.
FITTED = re.compile(r'\d\.(attn|norm1|ln1)\.')


def ordinary(name, mixer, **changes):
    """The config of a segmentor or classifier with a mixer."""
    backbone, head = BACKBONES[name]
    backbone = dict(backbone, mixer=mixer, **changes)
    if name in CLASSIFIERS:
        neck = dict(type='mmpretrain.GlobalAveragePooling') if name == 'Swin' else None
        return dict(type='mmpretrain.ImageClassifier', backbone=backbone, neck=neck, head=head)
    return dict(type='mmseg.EncoderDecoder', backbone=backbone, decode_head=head)


def build(cfg):
    scope = 'mmpretrain' if 'Classifier' in cfg['type'] else 'mmseg'
    with DefaultScope.overwrite_default_scope(scope):
        return MODELS.build(cfg)


def trained(folder, name, mixer=None, **changes):
    """Save a network whose attention does something. Return it and its file."""
    torch.manual_seed(1)
    model = build(ordinary(name, mixer, **changes))
    model.init_weights()
    for key, tensor in model.named_parameters():
        if '.attn.' in key and tensor.ndim > 1:
            torch.nn.init.normal_(tensor, std=0.3)
    torch.save(dict(state_dict=model.state_dict()), folder / 'teacher.pth')
    return model, str(folder / 'teacher.pth')


def warm(name, file, mixer=AFNO, teacher=None, **changes):
    """The config of a warm start."""
    cfg = ordinary(name, mixer, **changes)
    kind = 'WarmStartClassifier' if name in CLASSIFIERS else 'WarmStartSegmentor'
    init_cfg = dict(type='Pretrained', checkpoint=file)
    teacher = dict(mixer=None, init_cfg=init_cfg) | (teacher or {})
    return dict(cfg, type=f'afno_mm.{kind}', teacher=teacher)


def started(*args, **kwargs):
    torch.manual_seed(2)
    model = build(warm(*args, **kwargs))
    model.init_weights()
    return model.train()


def fit(model, steps=12):
    """Return the losses of each step."""
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-2)
    images = torch.randn(2, 3, 64, 64)
    found = []
    for _ in range(steps):
        losses = model(images, mode='loss')
        optimizer.zero_grad()
        losses['loss'].backward()
        optimizer.step()
        found.append({key: value.item() for key, value in losses.items()})
    return found


@pytest.mark.parametrize('name', BACKBONES)
def test_fitting_lowers_the_error_of_each_stage_and_changes_the_mixers_alone(name, tmp_path):
    old, file = trained(tmp_path, name)
    model = started(name, file)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    first, *_, last = fit(model)
    stages = [key for key in first if key.startswith('unexplained_')]
    assert len(stages) == {'MiT': 4}.get(name, 2)
    assert all(last[key] < first[key] for key in ['loss', *stages]), (first, last)
    taken = old.state_dict()
    for key, tensor in model.state_dict().items():
        if FITTED.search(key):
            assert not torch.equal(tensor, before[key]), key
        else:
            assert torch.equal(tensor, before[key]), key
            assert torch.equal(tensor, taken[key.replace('after_mixing.1', 'attn.gamma1')]), key
    (teacher,) = model.teacher
    assert not teacher.training
    for key, tensor in teacher.state_dict().items():
        assert torch.equal(tensor, taken[f'backbone.{key}']), key


LAYOUTS = {
    'data-parallel': lambda state: dict(state_dict={f'module.{k}': v for k, v in state.items()}),
    'model': lambda state: dict(model=state),
    'safetensors': None,
}


@pytest.mark.parametrize('layout', LAYOUTS)
def test_the_decoder_is_taken_from_any_layout_of_a_checkpoint(layout, tmp_path):
    old, file = trained(tmp_path, 'MiT')
    if LAYOUTS[layout]:
        torch.save(LAYOUTS[layout](old.state_dict()), file)
    else:
        file = str(tmp_path / 'model.safetensors')
        save_file(old.state_dict(), file)
    model = started('MiT', file)
    for key, tensor in old.decode_head.state_dict().items():
        assert torch.equal(model.decode_head.state_dict()[key], tensor), key


@pytest.mark.parametrize('name, mixer', [('MiT', 'ESA'), ('SegViT', 'SA'), ('ViT', 'SA')])
def test_a_student_with_the_teacher_s_own_mixers_has_no_error(name, mixer, tmp_path):
    _, file = trained(tmp_path, name)
    model = started(name, file, mixer=dict(type=mixer))
    assert model(torch.randn(2, 3, 64, 64), mode='loss')['loss'] < 1e-6


def test_the_best_constant_leaves_the_share_one(tmp_path):
    _, file = trained(tmp_path, 'MiT')
    model = started('MiT', file)
    for name, block in model.blocks.items():

        def mean(tokens, grid, seen=model.seen[name]):
            return (seen['after'] - seen['before']).mean((0, 1)).expand_as(tokens)

        block.mix = mean
    losses = model(torch.randn(2, 3, 64, 64), mode='loss')
    assert len(losses) == 5
    for key, value in losses.items():
        assert value.item() == pytest.approx(1, abs=1e-5), key


@pytest.mark.parametrize('name', BACKBONES)
def test_the_checkpoint_is_one_of_the_ordinary_model(name, tmp_path):
    _, file = trained(tmp_path, name)
    model = started(name, file)
    fit(model, steps=1)
    plain = build(ordinary(name, AFNO))
    plain.load_state_dict(model.state_dict(), strict=True)
    images = torch.randn(1, 3, 64, 64)
    outputs = (m.eval()(images, mode='tensor') for m in (plain, model))
    for ours, theirs in zip(*(o if isinstance(o, tuple) else (o,) for o in outputs)):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_the_log_counts_what_the_teacher_gave(tmp_path, monkeypatch):
    _, file = trained(tmp_path, 'MiT')
    state = torch.load(file)
    state['state_dict']['decode_head.conv_seg.weight'] = torch.zeros(19, 8, 1, 1)  # other classes
    torch.save(state, file)
    lines = []
    monkeypatch.setattr('afno_mm.tasks.warm_start.print_log', lambda text, *_: lines.append(text))
    started('MiT', file)
    (text,) = lines
    old, own = state['state_dict'], build(ordinary('MiT', AFNO)).state_dict()
    new, total = sum('.attn.' in key for key in own), len(own)
    assert f'takes {total - new - 1} of its {total} tensors' in text
    assert f'5 mixers and the norms before them are fitted, {new} tensors of the mixers' in text
    assert '1 other tensors are new' in text
    assert 'until fine-tuning: decode_head.conv_seg.weight.' in text
    assert f'{sum(".attn." in key for key in old) + 1} tensors of the teacher are not used' in text


@pytest.mark.parametrize(
    'settings, changes, message',
    [
        (
            dict(teacher=dict(embed_dims=16)),
            {},
            r'\[16, 32, 32, 64, 128\] in the teacher, \[8, 16, 16, 32, 64\] in the student',
        ),
        (dict(teacher=dict(num_layers=[1, 1, 1, 1])), {}, r'\[8, 16, 32, 64\] in the teacher'),
        ({}, dict(embed_dims=16), r'layers.0.0.projection.weight \(16, 3, 7, 7\) for \(8, 3, 7'),
        (dict(mixer=None), {}, 'found 0 blocks with a mixer.* Set model.backbone.mixer'),
        (dict(skip='single', teacher=dict(mixer=dict(type='ESA'))), {}, "skip must be 'double'"),
        (dict(teacher=dict(mixer=dict(type='ESA'), skip='single')), {}, "skip must be 'double'"),
    ],
)
def test_networks_that_do_not_fit_are_refused(settings, changes, message, tmp_path):
    _, file = trained(tmp_path, 'MiT', **changes)
    with pytest.raises(ValueError, match=message):
        started('MiT', file, **settings)


def test_a_checkpoint_that_does_not_fill_the_teacher_is_refused_unless_it_may(tmp_path):
    old, file = trained(tmp_path, 'MiT')
    state = old.state_dict()
    del state['backbone.layers.0.1.0.attn.attn.out_proj.bias']
    torch.save(dict(state_dict=state), file)
    with pytest.raises(ValueError, match='1 missing: layers.0.1.0.attn.attn.out_proj.bias'):
        started('MiT', file)
    init_cfg = dict(type='Pretrained', checkpoint=file, min_match=0.9)
    assert started('MiT', file, teacher=dict(init_cfg=init_cfg))


def test_a_teacher_that_is_not_there_is_named_with_the_key_that_sets_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'nowhere.pth: set model.teacher.init_cfg.check'):
        started('MiT', str(tmp_path / 'nowhere.pth'))
    with pytest.raises(ValueError, match='needs a trained teacher'):
        build(dict(warm('MiT', ''), teacher=dict(mixer=None)))


def runner(folder, file, **settings):
    """Three iterations over six images of a folder, without labels."""
    cfg = dict(
        default_scope='mmseg',
        work_dir=str(folder / 'work'),
        model=dict(
            warm('MiT', file), data_preprocessor=dict(type='SegDataPreProcessor', size=(64, 96))
        ),
        train_dataloader=dict(
            batch_size=2,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=True),
            dataset=dict(
                type='mmpretrain.CustomDataset',
                data_root=str(folder / 'images'),
                with_label=False,
                pipeline=[
                    dict(type='LoadImageFromFile'),
                    dict(type='RandomFlip', prob=0.5),
                    dict(type='PackSegInputs'),
                ],
            ),
        ),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-2)),
        train_cfg=dict(by_epoch=True, max_epochs=2),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
        randomness=dict(seed=3),
        visualizer=dict(type='Visualizer', name=str(folder), vis_backends=None),
        **settings,
    )
    return build_runner(Config(cfg))


@pytest.mark.slow
def test_a_warm_start_on_a_folder_of_images_resumes_exactly_and_then_fine_tunes(tmp_path):
    _, file = trained(tmp_path, 'MiT')
    rng = np.random.default_rng(0)
    for place in ['a.PNG', 'b.jpg', 'in/c.png', 'in/d.png', 'e.png', 'f.png']:
        path = tmp_path / 'images' / place
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 256, (64, 96, 3), dtype=np.uint8))
    runner(tmp_path, file).train()
    work = tmp_path / 'work'
    whole = torch.load(work / 'epoch_2.pth', weights_only=False)
    assert whole['message_hub']
    (work / 'epoch_2.pth').unlink()
    resumed = runner(tmp_path, file, resume=True, load_from=str(work / 'epoch_1.pth'))
    resumed.train()
    again = torch.load(work / 'epoch_2.pth', weights_only=False)['state_dict']
    for key, tensor in whole['state_dict'].items():
        assert torch.equal(tensor, again[key]), key
    plain = build(ordinary('MiT', AFNO))
    assert set(plain.state_dict()) == set(again)
    backbone = ordinary('MiT', AFNO)['backbone']
    checkpoint = dict(type='Pretrained', checkpoint=str(work / 'epoch_2.pth'), min_match=1.0)
    backbone = build(dict(backbone, init_cfg=checkpoint))
    backbone.init_weights()
    for key, tensor in backbone.state_dict().items():
        assert torch.equal(tensor, again[f'backbone.{key}']), key
