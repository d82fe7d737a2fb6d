"""Backbones with AFNO work below MMSegmentation's heads; heads that cannot work are refused."""

import math
from pathlib import Path

import pytest
import torch
from afno_mm.engine import build_model
from afno_mm.engine import custom_ops as ops
from afno_mm.engine.custom_ops import MissingPartsError, check_custom_ops
from afno_mm.tasks import task_of
from mmengine.config import Config
from mmseg.models.decode_heads import PointHead
from mmseg.registry import MODELS

WIDTHS = [8, 16, 24, 32]
BACKBONES = {
    'MiT': dict(
        type='afno_mm.MiT',
        embed_dims=WIDTHS,
        num_layers=[1] * 4,
        num_heads=[1] * 4,
        mixer=dict(type='AFNO', num_blocks=[1, 2, 2, 4]),
    ),
    'SegSwin': dict(
        type='afno_mm.SegSwin',
        embed_dims=8,
        depths=[1] * 4,
        num_heads=[1] * 4,
        drop_path_rate=0.0,
        mixer=dict(type='AFNO', num_blocks=4),
    ),
}
ALL = [0, 1, 2, 3]
FEW = dict(num_classes=3, channels=8, norm_cfg=dict(type='BN'), align_corners=False)
# Heads on the last stage alone, by their own arguments.
LAST = {
    'FCNHead': dict(num_convs=1),
    'PSPHead': dict(pool_scales=(1, 2)),
    'ASPPHead': dict(dilations=(1, 2)),
    'GCHead': dict(ratio=0.25, pooling_type='att', fusion_types=('channel_add',)),
    'NLHead': dict(reduction=2, use_scale=True, mode='embedded_gaussian'),
    'DNLHead': dict(reduction=2, use_scale=True, mode='embedded_gaussian'),
    'DAHead': dict(pam_channels=4),
    'DMHead': dict(filter_sizes=(1, 3)),
    'APCHead': dict(pool_scales=(1, 2), fusion=True),
    'EMAHead': dict(ema_channels=8, num_bases=4, num_stages=2, momentum=0.1),
    'ISAHead': dict(isa_channels=4, down_factor=(2, 2)),
}
# Heads on several stages.
SEVERAL = {
    'afno_mm.SegformerHead': {},
    'mmseg.SegformerHead': {},
    'UPerHead': dict(pool_scales=(1, 2)),
    'LightHamHead': dict(ham_channels=8, ham_kwargs=dict(MD_R=4)),
}


def head(kind):
    if kind in LAST:
        return dict(FEW, type=kind, in_index=3, **LAST[kind])
    if kind in SEVERAL:
        return dict(FEW, type=kind, in_index=ALL, **SEVERAL[kind])
    if kind == 'FPNHead':
        return dict(FEW, type=kind, in_index=ALL, feature_strides=[4, 8, 16, 32])
    if kind == 'DepthwiseSeparableASPPHead':
        return dict(FEW, type=kind, in_index=3, dilations=(1, 2), c1_channels=4)
    assert kind == 'OCRHead'
    first = dict(FEW, type='FCNHead', in_index=3, num_convs=1)
    return [first, dict(FEW, type='OCRHead', in_index=3, ocr_channels=4)]


KINDS = [*LAST, *SEVERAL, 'FPNHead', 'DepthwiseSeparableASPPHead', 'OCRHead']


def config(backbone, decode_head):
    model = dict(
        type='EncoderDecoder',
        data_preprocessor=dict(type='SegDataPreProcessor', size=(64, 64), seg_pad_val=255),
        backbone=BACKBONES[backbone],
        decode_head=decode_head,
        test_cfg=dict(mode='whole'),
    )
    widths = WIDTHS if backbone == 'MiT' else [8, 16, 32, 64]
    for each in decode_head if isinstance(decode_head, list) else [decode_head]:
        in_index = each.get('in_index')
        each['in_channels'] = widths if isinstance(in_index, list) else widths[-1]
        if each['type'] == 'FPNHead':
            model['neck'] = dict(type='FPN', in_channels=widths, out_channels=8, num_outs=4)
            each['in_channels'] = [8] * 4
        if each['type'] == 'DepthwiseSeparableASPPHead':
            each['c1_in_channels'] = widths[0]
    if isinstance(decode_head, list):
        model.update(type='CascadeEncoderDecoder', num_stages=len(decode_head))
    return Config(dict(default_scope='mmseg', model=model))


# DMHead views its input as another shape, which no map of a MiT allows, here and upstream.
@pytest.mark.parametrize(
    'kind, backbone', [(k, b) for k in KINDS for b in BACKBONES if (k, b) != ('DMHead', 'MiT')]
)
def test_head_trains_and_predicts_with_afno(kind, backbone):
    cfg = config(backbone, head(kind))
    model = build_model(cfg, None, 'cpu').train()
    batch = task_of(cfg).random_batch(cfg.model, (64, 64), 2)
    losses = model(**model.data_preprocessor(batch, True), mode='loss')
    loss, _ = model.parse_losses(losses)
    loss.backward()
    assert math.isfinite(loss.item())
    mixers = {n: p for n, p in model.backbone.named_parameters() if '.w1' in n or '.w2' in n}
    assert len(mixers) == 8 and all(p.grad is not None and p.grad.any() for p in mixers.values())
    with torch.no_grad():
        result = model.eval()(**model.data_preprocessor(batch), mode='predict')
    assert result[0].pred_sem_seg.data.shape == (1, 64, 64)


@pytest.mark.parametrize(
    'decode_head, found',
    [
        (dict(type='CCHead', in_index=3), 'model.decode_head: CCHead needs the custom operators'),
        (
            [dict(FEW, type='FCNHead', in_index=3), dict(FEW, type='PointHead', in_index=3)],
            'model.decode_head.1: PointHead needs the custom operators',
        ),
        (dict(type='MaskFormerHead', in_index=3), 'MaskFormerHead needs MMDetection'),
        (dict(type='Mask2FormerHead', in_index=3), 'needs the custom operators .* and MMDetection'),
        (dict(type='OwnPointHead', in_index=3), 'OwnPointHead needs the custom operators'),
        (
            dict(FEW, type='FCNHead', in_index=3, conv_cfg=dict(type='DCNv2')),
            r'model.decode_head.conv_cfg: DCNv2 needs the custom operators',
        ),
    ],
)
def test_what_pip_does_not_install_is_refused_with_heads_that_work(decode_head, found, monkeypatch):
    monkeypatch.setattr(ops, 'has_custom_ops', lambda: False)
    monkeypatch.setattr(ops, 'is_installed', lambda name: False)
    monkeypatch.setitem(MODELS.module_dict, 'OwnPointHead', type('OwnPointHead', (PointHead,), {}))
    with pytest.raises(MissingPartsError, match=f'{found}(.|\n)*mim install(.|\n)*UPerHead'):
        build_model(config('MiT', decode_head), None, 'cpu')


def test_nothing_is_refused_where_everything_is_installed(monkeypatch):
    monkeypatch.setattr(ops, 'has_custom_ops', lambda: True)
    monkeypatch.setattr(ops, 'is_installed', lambda name: True)
    check_custom_ops(config('MiT', dict(type='Mask2FormerHead', in_index=3)))


def test_a_mixer_s_type_for_each_stage_is_no_part_that_lacks(monkeypatch):
    monkeypatch.setattr(ops, 'has_custom_ops', lambda: False)
    cfg = config('MiT', head('FCNHead'))
    cfg.model.backbone.mixer = dict(type=['AFNO', 'GFN', 'SA', 'afno_mm.Identity'])
    model = build_model(cfg, None, 'cpu')
    mixers = [type(blocks[0].attn).__name__ for _, blocks, _ in model.backbone.layers]
    assert mixers == ['AFNO', 'GFN', 'SA', 'Identity']


def test_focal_loss_is_refused_on_gpus_only(monkeypatch):
    monkeypatch.setattr(ops, 'has_custom_ops', lambda: False)
    focal = dict(FEW, type='FCNHead', in_index=3, loss_decode=dict(type='FocalLoss'))
    cfg = config('MiT', focal)
    monkeypatch.setattr(ops, 'get_device', lambda: 'cpu')
    check_custom_ops(cfg)
    monkeypatch.setattr(ops, 'get_device', lambda: 'cuda')
    with pytest.raises(MissingPartsError, match='model.decode_head.loss_decode: FocalLoss needs'):
        check_custom_ops(cfg)


def test_the_page_lists_the_heads_that_were_tried():
    page = (Path(__file__).parents[2] / 'docs/backbones.md').read_text()
    listed = page.split('## Heads')[1]
    assert all(f'`{kind}`' in listed for kind in KINDS)
    assert all(f'`{kind}`' in listed for kind in ops.NEEDS if kind.endswith('Head'))
