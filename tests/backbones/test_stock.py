"""Without a mixer every backbone is upstream's: keys, values, outputs, old and new checkpoints."""

import threading
from collections import OrderedDict

import pytest
import torch
from afno_mm.backbones import MiT, ViT
from afno_mm.backbones.pretrained import load_pretrained
from five import BACKBONES, initialised
from mmseg.models.backbones import MixVisionTransformer

B3 = dict(embed_dims=64, num_layers=[3, 4, 18, 3], num_heads=[1, 2, 5, 8], drop_path_rate=0.1)
CASES = {name: (b.ours, b.upstream, b.settings) for name, b in BACKBONES.items()}
CASES['MiT-B3'] = (MiT, MixVisionTransformer, B3)
# No argument has its default.
OTHER = dict(in_channels=4, embed_dims=8, num_stages=3, num_layers=[1, 2, 1], num_heads=[2, 1, 4])
OTHER |= dict(patch_sizes=[5, 3, 1], strides=[2, 2, 1], sr_ratios=[4, 2, 1], out_indices=(0, 2))
OTHER |= dict(mlp_ratio=2, qkv_bias=False, drop_rate=0.1, attn_drop_rate=0.1, drop_path_rate=0.2)
OTHER |= dict(act_cfg=dict(type='ReLU'), norm_cfg=dict(type='LN', eps=1e-3), with_cp=True)
CASES['MiT with other settings'] = (MiT, MixVisionTransformer, OTHER)


@pytest.mark.parametrize(
    'ours, upstream, settings',
    [
        pytest.param(*case, marks=pytest.mark.slow if name == 'MiT-B3' else [], id=name)
        for name, case in CASES.items()
    ],
)
def test_stock_is_upstream_bit_for_bit(ours, upstream, settings):
    models = []
    for cls in (ours, upstream):
        torch.manual_seed(0)
        models.append(initialised(cls(**settings)))
    states = [model.state_dict() for model in models]
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    x = torch.randn(2, settings.get('in_channels', 3), 64, 96)
    for mode in (False, True):
        outputs = []
        for model in models:
            model.train(mode)
            torch.manual_seed(1)  # drop path
            outputs.append(model(x))
        for a, b in zip(*outputs):
            assert torch.equal(a, b)


def test_b3_has_516_keys():
    assert len(MiT(**B3).state_dict()) == 516


@pytest.mark.parametrize('name', BACKBONES)
def test_checkpoints_load_strictly_both_ways(name):
    backbone = BACKBONES[name]
    ours, upstream = backbone.stock(), backbone.upstream(**backbone.settings)
    ours.load_state_dict(upstream.state_dict())
    upstream.load_state_dict(ours.state_dict())


@pytest.mark.parametrize('name', BACKBONES)
def test_eval_returns_the_model_and_features_are_a_tuple(name):
    model = BACKBONES[name].stock()
    assert model.eval() is model and not model.training
    assert isinstance(model(torch.randn(1, 3, 64, 64)), tuple)


@pytest.mark.parametrize('version', [None, 1, 2])
def test_swin_converts_old_checkpoints_as_upstream(version):
    """Versions before 2 have one norm, versions before 3 hold attention masks."""
    backbone = BACKBONES['Swin']
    settings = dict(backbone.settings, out_indices=(3,))
    upstream = backbone.upstream(**settings)
    norm = 'norm3.' if version == 2 else 'norm.'
    old = {
        k.replace('norm3.', norm): torch.randn_like(v) if v.is_floating_point() else v
        for k, v in upstream.state_dict().items()
    }
    old['stages.1.blocks.1.attn.attn_mask'] = torch.zeros(4)
    ours = backbone.ours(**settings)
    for model in (ours, upstream):
        state = OrderedDict(old)
        if version:
            state._metadata = {'': dict(version=version)}
        model.load_state_dict(state, strict=True)
    assert torch.equal(ours.norm3.weight, old[f'{norm}weight'])
    for key, value in upstream.state_dict().items():
        assert torch.equal(ours.state_dict()[key], value)
    ours.load_state_dict(ours.state_dict())


@pytest.mark.parametrize(
    'name, of, to',
    [
        ('Swin', dict(window_size=7), dict(window_size=4)),
        ('SegSwin', dict(window_size=7), dict(window_size=4)),
        ('ViT', dict(img_size=64), dict(img_size=96)),
        ('SegViT', dict(img_size=64), dict(img_size=(96, 64))),
        ('SegViT', dict(img_size=64), dict(img_size=96, interpolate_mode='bilinear')),
    ],
)
def test_tables_of_another_size_are_resized_as_by_upstream(name, of, to, tmp_path):
    ours = BACKBONES[name]
    # MMPretrain's resizing fails with SciPy >= 1.14. MMSegmentation's model has the same keys.
    theirs = BACKBONES['SegSwin' if name == 'Swin' else name]
    path = str(tmp_path / 'weights.pth')
    source = initialised(theirs.upstream(**dict(theirs.settings, **of)))
    # MMSegmentation refuses a file that holds the index of another window size.
    torch.save({k: v for k, v in source.state_dict().items() if 'index' not in k}, path)
    init_cfg = dict(type='Pretrained', checkpoint=path)
    models = [
        initialised(cls(**dict(settings, **to), init_cfg=init_cfg))
        for cls, settings in ((ours.ours, ours.settings), (theirs.upstream, theirs.settings))
    ]
    resized = [
        key
        for key, value in models[1].state_dict().items()
        if value.shape != source.state_dict()[key].shape and value.is_floating_point()
    ]
    assert resized
    for key, value in models[1].state_dict().items():
        torch.testing.assert_close(models[0].state_dict()[key], value, msg=key)
    models[0].load_state_dict(source.state_dict())


def test_position_embeddings_follow_a_transposed_image():
    """4x6 and 6x4 patches are as many. The embeddings still belong to rows and columns."""
    model = BACKBONES['SegViT'].ours(**dict(BACKBONES['SegViT'].settings, img_size=(32, 48)))
    rows = torch.arange(4.0)[:, None].expand(4, 6)
    with torch.no_grad():
        model.pos_embed[:, 1:] = rows.reshape(1, 24, 1)
    tokens = torch.zeros(1, 25, model.pos_embed.shape[-1])
    for grid in ((4, 6), (6, 4), (2, 12)):
        added = model._pos_embeding(tokens, grid, model.pos_embed)[0, 1:, 0].unflatten(0, grid)
        assert (added == added[:, :1]).all(), grid
        assert (added.diff(dim=0) > 0).all(), grid


@pytest.mark.parametrize('name', ['ViT', 'SegViT'])
@pytest.mark.parametrize('class_token', [False, True])
@pytest.mark.parametrize('size', [64, 96])
@pytest.mark.parametrize('wanted', [False, True])
def test_position_embeddings_with_and_without_class_token(name, class_token, size, wanted):
    """Embeddings of patches go to their patches, with or without one of a class token."""
    vit = BACKBONES['ViT']
    source = initialised(vit.ours(**dict(vit.settings, with_cls_token=class_token)))
    target = BACKBONES[name].ours(
        **dict(BACKBONES[name].settings, img_size=size, with_cls_token=wanted)
    )
    target.load_state_dict(source.state_dict(), strict=False)
    saved, loaded = source.pos_embed[:, -64:], target.pos_embed[:, -((size // 8) ** 2) :]
    if size == 64:
        assert torch.equal(saved, loaded)
    else:
        maps = [t[0].T.unflatten(1, (side, side)) for t, side in ((saved, 8), (loaded, 12))]
        expected = torch.nn.functional.interpolate(maps[0][None], (12, 12), mode='bicubic')
        torch.testing.assert_close(maps[1][None], expected)


TINY = dict(
    arch=dict(embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=32),
    patch_size=16,
    with_cls_token=False,
    out_type='featmap',
    mixer=dict(type='AFNO', num_blocks=2, init='scaled'),
)


def test_position_embeddings_of_a_grid_with_one_token_more_than_a_square_stay():
    """5x10 tokens are not 7x7 tokens and a class token."""
    source, target = (ViT(img_size=(80, 160), **TINY) for _ in range(2))
    torch.nn.init.normal_(source.pos_embed)
    target.load_state_dict(source.state_dict())
    assert torch.equal(target.pos_embed, source.pos_embed)


@pytest.mark.parametrize('name', ['ViT', 'SegViT'])
def test_position_embeddings_of_grids_that_are_not_square(name, tmp_path):
    """Those of the same grid load without a class token, others are refused with both shapes."""
    vit = dict(BACKBONES['ViT'].settings, img_size=(64, 96), with_cls_token=False)
    source = initialised(BACKBONES['ViT'].ours(**vit))
    settings = dict(BACKBONES[name].settings, with_cls_token=True)
    target = BACKBONES[name].ours(**dict(settings, img_size=(64, 96)))
    target.load_state_dict(source.state_dict(), strict=False)
    assert torch.equal(target.pos_embed[:, 1:], source.pos_embed)
    torch.save(source.state_dict(), tmp_path / 'vit.pth')
    report = load_pretrained(BACKBONES[name].ours(**settings), tmp_path / 'vit.pth')
    assert report['mismatched'] == ['pos_embed (1, 97, 24) for (1, 65, 24)']


@pytest.mark.parametrize('name', ['ViT', 'SegViT'])
def test_position_embeddings_of_another_width_are_refused_with_both_shapes(name, tmp_path):
    vit = BACKBONES['ViT'].settings
    wide = dict(vit, arch=dict(vit['arch'], embed_dims=48), with_cls_token=False)
    torch.save(BACKBONES['ViT'].ours(**wide).state_dict(), tmp_path / 'vit.pth')
    target = BACKBONES[name].ours(**BACKBONES[name].settings)
    with pytest.raises(ValueError, match=r'pos_embed \(1, 64, 48\) for \(1, 65, 24\)'):
        load_pretrained(target, tmp_path / 'vit.pth')


@torch.no_grad()
def test_two_threads_share_a_model():
    model = ViT(img_size=(64, 96), **TINY).eval()
    wide, tall = torch.randn(1, 3, 64, 96), torch.randn(1, 3, 96, 64)
    (alone,) = model(wide)
    main = threading.get_ident()

    def between(*_):
        if threading.get_ident() == main:
            thread = threading.Thread(target=model, args=(tall,))
            thread.start()
            thread.join()

    model.layers[0].register_forward_pre_hook(between)
    torch.testing.assert_close(model(wide)[0], alone)
