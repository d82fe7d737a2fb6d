"""Mixers in the blocks of all five backbones: their place, their settings, what is refused."""

import copy

import pytest
import torch
from afno_mm.backbones import MiT, SegViT, ViT
from five import BACKBONES, blocks_of, initialised

AFNO = dict(type='AFNO', num_blocks=4)
SA = dict(type='SA')
IMAGE = (2, 3, 64, 96)


def by_hand(block, x, hw_shape, skip):
    """Compute a block in evaluation mode from its parts."""
    grid = block.norm1(x).reshape(len(x), *hw_shape, -1)
    mixed = block.attn(grid).reshape(x.shape)
    if (
        hasattr(block.ffn, 'gamma2')
        and not isinstance(block.ffn.gamma2, torch.nn.Identity)
        and skip == 'double'
    ):
        mixed = 0.5 * mixed  # five.py sets this layer scale.
    x, identity = (x + mixed,) * 2 if skip == 'double' else (mixed, x)
    arguments = (hw_shape,) if type(block).__name__ == 'MiTBlock' else ()
    return block.ffn(block.norm2(x), *arguments, identity=identity)


@pytest.mark.parametrize('skip', ['double', 'single'])
@pytest.mark.parametrize('name', BACKBONES)
def test_a_block_is_norm_mixer_skip_norm_feed_forward_skip(name, skip):
    model = initialised(BACKBONES[name].mixing(AFNO, skip=skip)).eval()
    for block in blocks_of(model)[0]:
        x = torch.randn(2, 6 * 5, block.attn.embed_dims)
        expected = by_hand(block, x, (6, 5), skip)
        torch.testing.assert_close(block(x, (6, 5)), expected)
        assert (expected - x).abs().max() > 1e-3


@pytest.mark.parametrize('name', BACKBONES)
def test_drop_path_of_a_mixer_is_that_of_upstream_s_attention(name):
    backbone = BACKBONES[name]

    def rates(blocks, of):
        return [
            [m.drop_prob for m in of(block).modules() if hasattr(m, 'drop_prob')]
            for stage in blocks
            for block in stage
        ]

    settings = dict(drop_path_rate=0.4)
    stock = backbone.ours(**dict(backbone.settings, **settings))
    mixing = (
        backbone.mixing(AFNO, **settings)
        if name != 'MiT'
        else backbone.ours(**dict(backbone.settings, **settings), mixer=AFNO)
    )
    found = rates(blocks_of(mixing), lambda block: block.after_mixing)
    assert found == rates(blocks_of(stock), lambda block: block.attn)
    # The attention of MMSegmentation's ViT has no drop path.
    assert name == 'SegViT' or max(max(r) for r in found) == pytest.approx(0.4)


@pytest.mark.parametrize('name', BACKBONES)
def test_dropout_comes_after_a_mixer_too(name):
    backbone = BACKBONES[name]
    rate = dict(drop_rate=0.3)
    if name == 'Swin':  # MMPretrain's has it in the blocks' own settings
        rate = dict(stage_cfgs=dict(block_cfgs=dict(attn_cfgs=dict(proj_drop=0.3))))
    for skip in ('double', 'single'):
        model = backbone.mixing(AFNO, skip=skip, **rate)
        assert blocks_of(model)[-1][0].after_mixing[0].p == 0.3


@pytest.mark.parametrize('name', BACKBONES)
@pytest.mark.parametrize('skip', ['double', 'single'])
def test_every_parameter_learns(name, skip):
    model = initialised(BACKBONES[name].mixing(AFNO, skip=skip))
    sum(y.square().mean() for y in model(torch.randn(IMAGE))).backward()
    assert not [n for n, p in model.named_parameters() if p.grad is None and n != 'cls_token']


@pytest.mark.parametrize('name', BACKBONES)
def test_a_model_is_saved_and_loaded_whole(name, tmp_path):
    for model in (BACKBONES[name].stock(), BACKBONES[name].mixing(AFNO)):
        torch.save(model, tmp_path / 'model.pth')
        same_features(torch.load(tmp_path / 'model.pth', weights_only=False), model)


@pytest.mark.parametrize(
    'name, frozen',
    [
        ('Swin', dict(frozen_stages=1)),
        ('SegSwin', dict(frozen_stages=1)),
        ('ViT', dict(frozen_stages=2)),
        ('SegViT', dict(frozen_exclude=['pos_embed'])),
    ],
)
def test_frozen_blocks_have_frozen_mixers(name, frozen):
    model = BACKBONES[name].mixing(AFNO, **frozen).train()
    assert not any(p.requires_grad for p in blocks_of(model)[0][0].parameters())


@pytest.mark.parametrize(
    'name, grids',
    [
        ('MiT', [56, 28, 14, 7]),
        ('Swin', [56, 28, 14, 7]),
        ('SegSwin', [56, 28, 14, 7]),
        ('ViT', [8, 8]),
        ('SegViT', [8, 8]),
    ],
)
def test_a_mixer_gets_the_grid_and_heads_that_the_backbone_knows(name, grids):
    model = BACKBONES[name].mixing(dict(type='GFN'))
    assert [stage[0].attn.complex_weight.shape[0] for stage in blocks_of(model)] == grids
    heads = [
        stage[0].attn.num_heads for stage in blocks_of(BACKBONES[name].mixing(dict(type='LS')))
    ]
    assert heads == (
        BACKBONES[name].settings.get('num_heads')
        if name in ('MiT', 'SegSwin')
        else [1, 2, 2, 4]
        if name == 'Swin'
        else [2, 2]
    )


def test_each_layer_of_a_vit_has_its_own_settings():
    """MMPretrain's ``layer_cfgs`` may differ from layer to layer."""
    layers = [dict(num_heads=2), dict(num_heads=4, qkv_bias=False, attn_drop_rate=0.1)]
    model = ViT(**BACKBONES['ViT'].settings, layer_cfgs=layers, mixer=dict(type='SA'))
    mixers = [layer.attn for layer in model.layers]
    found = [(m.num_heads, m.qkv.bias is not None, m.attn_drop) for m in mixers]
    assert found == [(2, True, 0.0), (4, False, 0.1)]


def test_grids_of_odd_sizes_are_rounded_up():
    """Patch embedding and patch merging round up too."""
    for name, settings in (
        ('MiT', dict(pretrain_img_size=(225, 224))),
        ('SegSwin', dict(pretrain_img_size=(225, 224))),
        ('Swin', dict(img_size=(225, 224))),
        ('ViT', dict(img_size=(225, 224), out_indices=[0, 1])),
        ('SegViT', dict(img_size=(225, 224), out_indices=[0, 1])),
        ('SegViT', dict(img_size=(225, 224), out_indices=[0, 1], patch_pad='same')),
        ('SegViT', dict(img_size=(225, 224), out_indices=[0, 1], patch_pad=0)),  # rounded down
    ):
        backbone = BACKBONES[name]
        settings = dict(backbone.settings, **settings) | backbone.for_grids
        model = backbone.ours(**settings, mixer=dict(type='GFN'))
        grids = [tuple(map_.shape[2:]) for map_ in model(torch.randn(1, 3, 225, 224))]
        assert [stage[0].attn.grid_size for stage in blocks_of(model)] == grids


def test_heads_need_not_divide_the_width_of_a_mixer_without_heads():
    assert SegViT(
        embed_dims=25,
        num_heads=2,
        num_layers=1,
        with_cls_token=False,
        mixer=dict(type='AFNO', num_blocks=5),
    )


@pytest.mark.parametrize('norm_cfg', [dict(type='LN', eps=1e-3), dict(type='LN'), None])
def test_esa_has_the_epsilon_of_its_backbone_s_norms(norm_cfg):
    model = BACKBONES['MiT'].mixing(dict(type='ESA'), norm_cfg=norm_cfg)
    block = model.layers[0][1][0]
    assert block.attn.norm.eps == block.norm1.eps


def test_what_a_backbone_does_not_know_must_be_set():
    with pytest.raises(TypeError, match=r"ESA needs \['sr_ratio'\].*mixer.sr_ratio"):
        BACKBONES['Swin'].mixing(dict(type='ESA'))
    assert blocks_of(BACKBONES['Swin'].mixing(dict(type='ESA', sr_ratio=[8, 4, 2, 1])))


@pytest.mark.parametrize('name', BACKBONES)
def test_a_mixture_of_stages(name):
    stages = len(blocks_of(BACKBONES[name].stock()))
    model = BACKBONES[name].mixing([AFNO] * (stages // 2) + [None] * (stages - stages // 2))
    kinds = [type(stage[0].attn).__name__ for stage in blocks_of(model)]
    assert kinds[: stages // 2] == ['AFNO'] * (stages // 2)
    assert 'Multihead' in kinds[-1] or 'Window' in kinds[-1]
    assert all(y.isfinite().all() for y in model(torch.randn(IMAGE)))


def same_features(a, b):
    x = torch.randn(IMAGE)
    for y, z in zip(a.eval()(x), b.eval()(x)):
        torch.testing.assert_close(y, z, rtol=1e-4, atol=1e-5)


def test_esa_is_stock_segformer_through_sdpa():
    stock = initialised(BACKBONES['MiT'].stock())
    ours = BACKBONES['MiT'].mixing(dict(type='ESA'))
    ours.load_state_dict(stock.state_dict())
    same_features(ours, stock)
    assert list(ours.state_dict()) == list(stock.state_dict())


@pytest.mark.parametrize('name, scale', [('ViT', 0.0), ('ViT', 0.5), ('SegViT', None)])
def test_sa_is_stock_vit_class_token_included(name, scale):
    more = {} if scale is None else dict(layer_scale_init_value=scale)
    backbone = BACKBONES[name]._replace(settings=dict(BACKBONES[name].settings, **more))
    stock = initialised(backbone.stock())
    ours = backbone.ours(**backbone.settings, mixer=dict(type='SA'))
    ours.load_state_dict(stock.state_dict())
    same_features(ours, stock)


def test_a_single_skip_has_no_layer_scale_after_the_mixer():
    stock, ours = (BACKBONES['ViT'].stock(**more) for more in ({}, dict(mixer=SA, skip='single')))
    stock, removed = stock.state_dict(), 'attn.gamma1.weight'
    kept = [key for key in stock if not key.endswith(removed)]
    assert len(kept) == len(stock) - 2
    assert sorted(ours.state_dict()) == sorted(kept)
    ours.load_state_dict(stock)


@pytest.mark.parametrize('name', ['ViT', 'SegViT'])
@pytest.mark.parametrize('mixer', ['AFNO', 'LS'])
def test_class_tokens_are_refused_at_build(name, mixer):
    backbone = BACKBONES[name]
    with pytest.raises(ValueError, match=f'{mixer} .*class token: set with_cls_token=False'):
        backbone.ours(
            **backbone.settings, mixer=dict(type=mixer, num_heads=2) if mixer == 'LS' else AFNO
        )


def test_dropped_tokens_are_refused():
    model = BACKBONES['ViT'].mixing(AFNO)
    model(torch.randn(IMAGE))
    with pytest.raises(ValueError, match=r'AFNO mixes whole grids.*90 tokens.*\(8, 12\)'):
        model.layers[0](torch.randn(2, 90, 24))


class Transposing(torch.nn.Module):
    def __init__(self, embed_dims):
        super().__init__()

    def forward(self, x):
        return x.permute(0, 3, 1, 2)


def test_a_mixer_of_the_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r'Transposing made \(2, 8, 16, 24\) of \(2, 16, 24, 8\)'):
        BACKBONES['MiT'].mixing(dict(type=Transposing))(torch.randn(IMAGE))


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(attn_drop_rate=0.1, mixer=AFNO), 'attn_drop_rate=0.1 has no effect'),
        (dict(skip='single'), "skip='single' has no effect without a mixer"),
        (dict(skip='triple', mixer=AFNO), "skip must be one of .*'triple'"),
    ],
)
def test_settings_without_effect_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        MiT(**BACKBONES['MiT'].settings, **settings)


@pytest.mark.parametrize('name', BACKBONES)
def test_settings_of_the_attention_reach_mixers_that_have_them(name):
    settings = dict(attn_drop_rate=0.3, qkv_bias=False)
    if name == 'ViT':  # MMPretrain's has them in the settings of its layers
        settings = dict(layer_cfgs=settings)
    elif name == 'Swin':
        attention = dict(attn_drop=0.3, qkv_bias=False)
        settings = dict(stage_cfgs=dict(block_cfgs=dict(attn_cfgs=attention)))
    model = BACKBONES[name].mixing(SA | dict(num_heads=1), **settings)
    mixers = [block.attn for stage in blocks_of(model) for block in stage]
    assert {(m.attn_drop, m.qkv.bias) for m in mixers} == {(0.3, None)}


def test_attention_dropout_of_one_stage_has_an_effect():
    model = MiT(**BACKBONES['MiT'].settings, attn_drop_rate=0.3, mixer=[None] + [AFNO] * 3)
    assert model.layers[0][1][0].attn.attn.dropout == 0.3


@pytest.mark.parametrize('name', ['MiT', 'SegViT'])
def test_checkpointing_gives_the_same_gradients_after_another_grid(name):
    """Backward recomputes a block on its own grid, not on the grid of a later image."""
    settings = dict(drop_path_rate=0.0)
    gradients, saved = [], []
    for with_cp in (False, True):
        torch.manual_seed(0)
        model = BACKBONES[name].mixing(AFNO, with_cp=with_cp, **settings)
        saved.append(0)

        def count(tensor):
            saved[-1] += tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            loss = model(torch.randn(1, 3, 64, 32))[0].square().sum()
        model(torch.randn(1, 3, 32, 64))
        loss.backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    assert saved[1] < saved[0] / 2
    assert len(gradients[0]) == len(gradients[1]) > 0
    for a, b in zip(*gradients):
        torch.testing.assert_close(a, b)


def test_a_copy_tells_its_own_blocks_the_grid():
    """The moving average of weights copies a model like this."""
    model = BACKBONES['ViT'].mixing(AFNO)
    copied = copy.deepcopy(model)
    copied(torch.randn(1, 3, 32, 64))
    assert isinstance(copied, ViT) and copied.layers[0].hw_shape == (4, 8)
    assert model.layers[0].hw_shape is None


def test_rates_of_drop_path_break_no_compiled_graph():
    model = ViT('deit-t', mixer=AFNO, with_cls_token=False, out_type='featmap', drop_path_rate=0.1)
    rates = [module.drop_prob for module in model.modules() if hasattr(module, 'drop_prob')]
    assert rates and {type(rate) for rate in rates} == {float}


def test_a_traced_vit_can_be_copied():
    model = ViT(
        dict(embed_dims=8, num_layers=1, num_heads=1, feedforward_channels=8),
        img_size=32,
        mixer=dict(type='AFNO', num_blocks=1),
        with_cls_token=False,
        out_type='featmap',
    ).eval()
    torch.jit.trace(model, torch.randn(1, 3, 32, 32), check_trace=False)
    copied, image = copy.deepcopy(model), torch.randn(1, 3, 48, 32)
    torch.testing.assert_close(copied(image), model(image))


def test_gradients_of_each_sample():
    model = MiT(
        embed_dims=[8, 8, 8, 8], num_layers=[1] * 4, num_heads=[1] * 4, mixer=dict(type='SA')
    ).eval()

    def loss(weights, image):
        return torch.func.functional_call(model, weights, (image[None],))[3].square().sum()

    weights, images = dict(model.named_parameters()), torch.randn(2, 3, 64, 64)
    every = torch.func.vmap(torch.func.grad(loss), (None, 0))(weights, images)
    one = torch.func.grad(loss)(weights, images[1])
    name = 'layers.0.1.0.attn.qkv.weight'
    torch.testing.assert_close(every[name][1], one[name], rtol=1e-4, atol=1e-5)
