"""MiT in both frameworks' models, and its pre-trained weights."""

import pytest
import torch
from afno_mm.backbones import MiT
from afno_mm.backbones.mit import apply_to_tokens
from afno_mm.backbones.pretrained import load_pretrained
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS
from mmseg.models.backbones import MixVisionTransformer
from mmseg.registry import MODELS as MMSEG_MODELS
from mmseg.structures import SegDataSample

AFNO = dict(type='AFNO', num_blocks=[1, 2, 5, 8])
WIDTHS = [8, 16, 20, 32]


def make(**settings):
    return MiT(
        **dict(
            dict(embed_dims=WIDTHS, num_layers=[1, 1, 2, 1], num_heads=[1, 2, 5, 8], mixer=AFNO),
            **settings,
        )
    )


def test_features_are_a_tuple_of_the_stages_asked_for():
    features = make(out_indices=(1, 3))(torch.randn(2, 3, 64, 96))
    assert isinstance(features, tuple)
    assert [tuple(f.shape) for f in features] == [(2, 16, 8, 12), (2, 32, 2, 3)]


def test_mmpretrain_s_tools_take_no_token_for_a_class_token():
    """vis_cam.py removes one from a backbone that does not say how many it has."""
    assert make().num_extra_tokens == 0


@pytest.mark.parametrize('size', [(32, 32), (1, 1), (33, 47), (7, 130)])
def test_any_image_size(size):
    assert make()(torch.randn(1, 3, *size))[0].shape[2:] == tuple(-(-s // 4) for s in size)


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(num_layers=[1, 1]), 'num_layers must have one value per stage'),
        (dict(embed_dims=[8, 16]), 'embed_dims must have one value per stage'),
        (dict(out_indices=(4,)), r'out_indices must be in 0..3, got \(4,\)'),
        (dict(out_indices=(-1,)), r'out_indices must be in 0..3, got \(-1,\)'),
        (dict(out_indices=()), r'out_indices must be in 0..3, got \(\)'),
        (dict(mixer=dict(type='AFNO', num_blocks=[3, 2, 5, 8])), 'num_blocks=3 for embed_dims=8'),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings)


def segmentor(**backbone):
    cfg = ConfigDict(
        type='EncoderDecoder',
        data_preprocessor=dict(
            type='SegDataPreProcessor',
            size=(64, 64),
            mean=[0.0] * 3,
            std=[1.0] * 3,
            seg_pad_val=255,
        ),
        backbone=dict(
            type='afno_mm.MiT',
            embed_dims=WIDTHS,
            num_layers=[1, 1, 1, 1],
            num_heads=[1, 2, 5, 8],
            mixer=AFNO,
            **backbone,
        ),
        decode_head=dict(
            type='SegformerHead',
            in_channels=WIDTHS,
            in_index=[0, 1, 2, 3],
            channels=16,
            num_classes=19,
            norm_cfg=dict(type='BN'),
        ),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )
    with DefaultScope.overwrite_default_scope('mmseg'):
        return MMSEG_MODELS.build(cfg)


@pytest.mark.parametrize('with_cp', [False, True])
@pytest.mark.parametrize('amp', [False, True])
def test_segmentor_trains(amp, with_cp):
    model = segmentor(with_cp=with_cp)
    model.init_weights()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.randint(0, 19, (1, 64, 64)) // 10))
    sample.set_metainfo(dict(img_shape=(64, 64), ori_shape=(64, 64)))
    batch = dict(inputs=[torch.rand(3, 64, 64)] * 2, data_samples=[sample, sample.clone()])
    losses = []
    for _ in range(5):
        with torch.autocast('cpu', torch.bfloat16, enabled=amp):
            data = model.data_preprocessor(batch, True)
            loss = model.loss(**data)['decode.loss_ce']
        optimizer.zero_grad()
        loss.backward()
        for name, p in model.named_parameters():
            assert p.grad is not None and p.grad.isfinite().all(), name
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_classifier_takes_the_tuple():
    cfg = ConfigDict(
        type='ImageClassifier',
        backbone=dict(
            type='afno_mm.MiT',
            embed_dims=WIDTHS,
            num_layers=[1, 1, 1, 1],
            num_heads=[1, 2, 5, 8],
            mixer=AFNO,
            out_indices=(3,),
        ),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='LinearClsHead',
            num_classes=10,
            in_channels=WIDTHS[-1],
            loss=dict(type='CrossEntropyLoss'),
        ),
    )
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MMPRETRAIN_MODELS.build(cfg)
    assert model(torch.randn(2, 3, 64, 64), mode='tensor').shape == (2, 10)


def saved(tmp_path, state):
    path = str(tmp_path / 'weights.pth')
    torch.save(state, path)
    return path


def same_as(state):
    return lambda model: all(torch.equal(v, state[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize(
    'prefix, wrapped', [('backbone.', True), ('module.backbone.', True), ('', True), ('', False)]
)
def test_pretrained_weights_of_a_classifier_or_a_backbone(tmp_path, prefix, wrapped):
    source = make().state_dict()
    state = {prefix + k: v for k, v in source.items()} | {'head.fc.weight': torch.zeros(3)}
    path = saved(tmp_path, dict(state_dict=state, meta={}) if wrapped else state)
    torch.manual_seed(1)
    model = make(init_cfg=dict(type='Pretrained', checkpoint=path))
    assert not same_as(source)(model)
    model.init_weights()
    assert same_as(source)(model)


def test_public_weights_load_where_the_shapes_agree(tmp_path):
    stock = make(mixer=None)
    path = saved(tmp_path, stock.state_dict())
    model = make(init_cfg=dict(type='Pretrained', checkpoint=path))
    model.init_weights()
    assert torch.equal(model.layers[3][0].projection.weight, stock.layers[3][0].projection.weight)
    report = load_pretrained(make(), path)
    assert {k.split('.')[4] for k in report['missing']} == {'attn'}
    assert len(report['loaded']) + len(report['missing']) == len(model.state_dict())
    assert all('.attn.' in k for k in report['unused'])


def test_missing_tensors_keep_their_own_initial_values(tmp_path):
    path = saved(tmp_path, make(mixer=None).state_dict())
    model = make(init_cfg=dict(type='Pretrained', checkpoint=path, min_match=0.5))
    model.init_weights()
    w1 = model.layers[0][1][0].attn.w1
    assert 0.01 < w1.std() < 0.03


def test_weights_that_hardly_fit_are_refused(tmp_path):
    path = saved(tmp_path, make(embed_dims=[8, 12, 40, 24], mixer=None).state_dict())
    wanted = r'of MiT loaded, .*% of its values\n.*missing.*\n.*mismatched(.|\n)*min_match'
    with pytest.raises(ValueError, match=wanted):
        make(init_cfg=dict(type='Pretrained', checkpoint=path)).init_weights()


@pytest.mark.parametrize(
    'folder, maker',
    [
        ('mit_afno_b0_images', 'train.py configs/mit_afno_b0_images.py     makes them'),
        ('other', 'None     trains'),
    ],
)
def test_missing_weights_say_what_makes_them(folder, maker, tmp_path, monkeypatch):
    (tmp_path / 'configs').mkdir()
    (tmp_path / 'configs/mit_afno_b0_images.py').touch()
    monkeypatch.chdir(tmp_path)
    cfg = dict(type='Pretrained', checkpoint=f'work_dirs/{folder}/epoch_12.pth')
    with pytest.raises(FileNotFoundError, match=f'{folder}/epoch_12.pth\n') as error:
        make(init_cfg=cfg).init_weights()
    assert maker in str(error.value) and 'init_cfg=None' in str(error.value)
    assert ('makes them' in str(error.value)) == ('makes them' in maker)


@pytest.mark.parametrize('more', [{}, dict(prefix='backbone'), dict(prefix='backbone.')])
@pytest.mark.parametrize('wrap', [dict, lambda cfg: [cfg]])
def test_forms_of_init_cfg(tmp_path, more, wrap):
    source = make().state_dict()
    path = saved(tmp_path, {f'backbone.{k}': v for k, v in source.items()})
    model = make(init_cfg=wrap(dict(type='Pretrained', checkpoint=path, **more)))
    model.init_weights()
    assert same_as(source)(model)


def test_other_entries_of_init_cfg_set_what_the_checkpoint_lacks(tmp_path):
    state = {k: v for k, v in make().state_dict().items() if k != 'layers.0.2.weight'}
    cfg = dict(type='Pretrained', checkpoint=saved(tmp_path, state))
    model = make(init_cfg=[cfg, dict(type='Constant', layer='LayerNorm', val=0.25)])
    model.init_weights()
    assert (model.layers[0][2].weight == 0.25).all()
    assert torch.equal(model.layers[1][2].weight, state['layers.1.2.weight'])


def test_unknown_setting_of_init_cfg_is_named():
    with pytest.raises(TypeError, match=r"takes checkpoint, prefix.*\['map_loc'\]"):
        make(init_cfg=dict(type='Pretrained', checkpoint='x', map_loc='cpu')).init_weights()


def test_share_of_values_decides_not_of_tensors(tmp_path):
    """The small tensors are most of a model's tensors and few of its values."""
    state = {k: v for k, v in make().state_dict().items() if v.ndim < 2}
    report = load_pretrained(make(), saved(tmp_path, state), min_match=0)
    assert len(report['loaded']) > len(report['missing'])
    with pytest.raises(ValueError, match='min_match'):
        load_pretrained(make(), saved(tmp_path, state))


@pytest.mark.parametrize('batch', [1, 2])
@pytest.mark.parametrize('mixer', [AFNO, [None, AFNO | dict(num_blocks=2), None, None]])
def test_channels_last_gives_upstreams_features(mixer, batch):
    model = make(mixer=mixer).double().eval()
    x = torch.randn(batch, 3, 33, 70, dtype=torch.float64)
    features = model(x)
    for mine, theirs in zip(features, MixVisionTransformer.forward(model, x)):
        torch.testing.assert_close(mine, theirs)
    assert all(f.is_contiguous(memory_format=torch.channels_last) for f in features)


@pytest.mark.parametrize('batch', [1, 2])
def test_convolutions_stay_channels_last(batch):
    """With MMSegmentation's nlc_to_nchw they do not for one image."""
    model, layouts = make(), []
    convolutions = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    for convolution in convolutions:
        convolution.register_forward_hook(lambda m, inputs, y: layouts.append(y.stride(1)))
    model(torch.randn(batch, 3, 64, 96))
    assert layouts == [1] * len(convolutions)


@pytest.mark.parametrize('grid', [(5, 7), (8, 8), (1, 1)])
def test_the_feed_forward_of_gpus_is_upstreams(grid):
    """On a GPU its pointwise convolutions run as linear maps of the tokens."""
    block = MiT(embed_dims=8, num_layers=(1, 1, 1, 1), mixer=dict(type='AFNO', num_blocks=2))
    ffn = block.layers[0][1][0].ffn.double()
    x = torch.randn(2, grid[0] * grid[1], 8, dtype=torch.float64, requires_grad=True)
    found = x
    for layer in ffn.layers:
        found = apply_to_tokens(layer, found, grid)
    expected = ffn(x, grid, identity=torch.zeros_like(x))
    results = [
        [y, *torch.autograd.grad(y.square().sum(), [x, *ffn.parameters()])]
        for y in (found, expected)
    ]
    torch.testing.assert_close(*results)
