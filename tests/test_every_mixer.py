"""Every mixer, alone and in every backbone of both frameworks. Add a mixer as a row of MIXERS."""

import itertools

import pytest
import torch
import wavelet_mixer  # noqa: F401  docs/tutorials/wavelet_mixer registers its mixer
from afno_mm.mixers import build_mixer
from afno_mm.registry import MODELS
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmpretrain.structures import DataSample
from mmseg.structures import SegDataSample

MIXERS = {
    'AFNO': dict(type='AFNO', num_blocks=4),
    'AFNO-25%': dict(type='AFNO', num_blocks=4, mode_fraction=0.5, init='scaled', bias='conv'),
    'AFNO-filter': dict(type='AFNO', num_blocks=4, frequency_filter='smooth'),
    'GFN': dict(type='GFN'),
    'GFN-exact': dict(type='GFN', resize='exact'),
    'FNO': dict(type='FNO', num_modes=(4, 3)),
    'FNO-bias': dict(type='FNO', num_modes=(4, 3), bias='conv'),
    'StaticAFNO': dict(type='StaticAFNO', num_blocks=4, num_modes=(4, 3)),
    'LS': dict(type='LS'),
    'SA': dict(type='SA'),
    'ESA': dict(type='ESA', sr_ratio=2),
    'Identity': dict(type='Identity'),
    'Wavelet': dict(type='Wavelet', num_blocks=4),
}
# The maps of at least one of the images are smaller than windows, modes and filters.
SIZES = [(64, 64), (40, 72)]
HEADS = [1, 2, 2, 4]
BACKBONES = {
    'MiT': dict(
        type='afno_mm.MiT', embed_dims=[8, 8, 16, 16], num_layers=[1, 1, 1, 1], num_heads=HEADS
    ),
    'Swin': dict(
        type='afno_mm.Swin',
        arch=dict(embed_dims=8, depths=[1] * 4, num_heads=HEADS),
        out_indices=(0, 1, 2, 3),
    ),
    'SegSwin': dict(type='afno_mm.SegSwin', embed_dims=8, depths=[1] * 4, num_heads=HEADS),
    'ViT': dict(
        type='afno_mm.ViT',
        img_size=64,
        patch_size=8,
        with_cls_token=False,
        arch=dict(embed_dims=8, num_layers=2, num_heads=2, feedforward_channels=16),
        out_type='featmap',
        out_indices=[0, 1],
    ),
    'SegViT': dict(
        type='afno_mm.SegViT',
        img_size=64,
        patch_size=8,
        with_cls_token=False,
        embed_dims=8,
        num_layers=2,
        num_heads=2,
        out_indices=[0, 1],
    ),
}
# The quick tests (-m "not slow") try each mixer in one backbone of each framework.
QUICK = [('mmseg', 'MiT'), ('mmpretrain', 'ViT')]
PLACES = [
    pytest.param(*place, marks=[] if place in QUICK else pytest.mark.slow, id='-'.join(place))
    for place in itertools.product(['mmseg', 'mmpretrain'], BACKBONES)
]
PIXELS = dict(mean=[0.0] * 3, std=[1.0] * 3)


def alone(mixer):
    return build_mixer(mixer, 8, num_heads=2, grid_size=(7, 6))


@pytest.mark.parametrize('mixer', MIXERS.values(), ids=MIXERS)
@pytest.mark.parametrize('grid', [(1, 1), (1, 5), (7, 16), (9, 8)])
@pytest.mark.parametrize('dtype', ['float64', 'float32', 'bfloat16', 'float16'])
def test_any_grid_in_any_dtype(mixer, grid, dtype):
    """Module and tokens have the dtype. Half precision is near float64 with the same weights."""
    dtype = getattr(torch, dtype)
    module = alone(mixer).to(dtype)
    exact = alone(mixer).double()
    exact.load_state_dict(module.state_dict())
    x = torch.randn(2, *grid, 8).to(dtype).requires_grad_()
    y, expected = module(x), exact(x.double())
    assert y.dtype == dtype and y.shape == x.shape
    bound = {'float64': 1e-12, 'float32': 1e-5, 'bfloat16': 3e-2, 'float16': 4e-3}
    assert (y - expected).norm() <= bound[str(dtype)[6:]] * expected.norm()
    y.sum().backward()
    for tensor in (x, *module.parameters()):
        assert tensor.grad is not None and tensor.grad.isfinite().all()


@pytest.mark.parametrize('mixer', MIXERS.values(), ids=MIXERS)
def test_autocast(mixer):
    module = alone(mixer)
    for dtype in (torch.float32, torch.bfloat16):
        x = torch.randn(2, 9, 8, 8, dtype=dtype)
        with torch.autocast('cpu', torch.bfloat16):
            y = module(x)
        assert y.dtype == dtype, 'a mixer returns the dtype of its input: end with .to(x.dtype)'
        expected = module(x.float())
        assert (y - expected).norm() <= 3e-2 * expected.norm()


@pytest.mark.parametrize('mixer', MIXERS.values(), ids=MIXERS)
def test_compiles_without_a_break(mixer):
    module = alone(mixer)
    compiled = torch.compile(module, backend='eager', fullgraph=True)
    x = torch.randn(2, 9, 8, 8)
    with torch.autocast('cpu', torch.bfloat16):
        torch.testing.assert_close(compiled(x), module(x))


@pytest.mark.parametrize('mixer', MIXERS.values(), ids=MIXERS)
def test_empty_batch(mixer):
    x = torch.zeros(0, 9, 8, 8, requires_grad=True)
    y = alone(mixer)(x)
    y.sum().backward()
    assert y.shape == x.grad.shape == (0, 9, 8, 8)


def model_of(framework, backbone, mixer):
    backbone = dict(BACKBONES[backbone], mixer=mixer)
    widths = (
        [8, 8, 16, 16]
        if 'MiT' in backbone['type']
        else [8, 16, 32, 64]
        if 'Swin' in backbone['type']
        else [8, 8]
    )
    if framework == 'mmpretrain':
        return dict(
            type='ImageClassifier',
            backbone=backbone,
            data_preprocessor=dict(PIXELS, num_classes=3),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=3, in_channels=widths[-1]),
        )
    stages = list(range(len(widths)))
    return dict(
        type='EncoderDecoder',
        backbone=backbone,
        data_preprocessor=dict(PIXELS, type='SegDataPreProcessor', size=(64, 64), seg_pad_val=255),
        decode_head=dict(
            type='SegformerHead',
            in_channels=widths,
            in_index=stages,
            channels=8,
            num_classes=3,
            norm_cfg=dict(type='BN'),
        ),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )


def sample(framework, size):
    image = torch.rand(3, *size)
    if framework == 'mmpretrain':
        return dict(inputs=image, data_samples=DataSample().set_gt_label(1))
    labels = SegDataSample(gt_sem_seg=PixelData(data=torch.randint(0, 3, (1, *size))))
    labels.set_metainfo(dict(img_shape=size, ori_shape=size))
    return dict(inputs=image, data_samples=labels)


def run(framework, model, work_dir, iterations, resume=False):
    loader = dict(
        dataset=[sample(framework, (64, 64)) for _ in range(4)],
        batch_size=2,
        sampler=dict(type='InfiniteSampler', shuffle=False),
    )
    runner = Runner(
        model=model,
        work_dir=str(work_dir),
        train_dataloader=loader,
        default_scope=framework,
        train_cfg=dict(by_epoch=False, max_iters=iterations),
        resume=resume,
        log_level='ERROR',
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3)),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1, by_epoch=False)),
        experiment_name=f'{work_dir.name}_{iterations}',
    )
    runner.train()
    return runner


@pytest.mark.parametrize('mixer', MIXERS.values(), ids=MIXERS)
@pytest.mark.parametrize('framework, backbone', PLACES)
def test_mixer_in_backbone_builds_trains_saves_loads_and_resumes(
    framework, backbone, mixer, tmp_path
):
    config = model_of(framework, backbone, mixer)
    with DefaultScope.overwrite_default_scope(framework):
        model = MODELS.build(config)
    model.init_weights()
    for size in SIZES:
        model.zero_grad()
        sum(y.square().mean() for y in model.backbone(torch.randn(2, 3, *size))).backward()
        for name, parameter in model.backbone.named_parameters():
            if 'cls_token' not in name:  # MMSegmentation's ViT has one and does not use it.
                assert parameter.grad is not None and parameter.grad.isfinite().all(), name

    trained = run(framework, config, tmp_path, 2).model.state_dict()
    assert all(value.isfinite().all() for value in trained.values())
    saved = torch.load(tmp_path / 'iter_2.pth', weights_only=False)['state_dict']
    with DefaultScope.overwrite_default_scope(framework):
        loaded = MODELS.build(config)
    loaded.load_state_dict(saved, strict=True)
    assert all(torch.equal(value, trained[key]) for key, value in loaded.state_dict().items())
    resumed = run(framework, config, tmp_path, 3, resume=True)
    assert resumed.iter == 3 and (tmp_path / 'iter_3.pth').is_file()
    assert any(
        not torch.equal(value, saved[key]) for key, value in resumed.model.state_dict().items()
    )
