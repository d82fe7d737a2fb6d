"""SA and ESA: the same as MMPretrain's and MMSegmentation's classes, definition, memory."""

import copy
from contextlib import nullcontext

import pytest
import torch
from afno_mm.mixers import ESA, SA, build_mixer
from mmcv.cnn.bricks.transformer import MultiheadAttention as MMCVAttention
from mmpretrain.models.utils.attention import MultiheadAttention
from mmseg.models.backbones.mit import EfficientMultiheadAttention
from torch.nn import functional as F

GRIDS = [(1, 1), (1, 5), (8, 8), (9, 8), (7, 16), (33, 17)]
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
MIXERS = {
    'SA': lambda num_heads=4, **settings: SA(16, num_heads, **settings),
    'ESA': lambda num_heads=4, **settings: ESA(16, num_heads, sr_ratio=2, **settings),
}


def randomised(module):
    """Move weights away from their initial values, so that biases are not 0 and scores differ."""
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return module


def mmpretrain_attention(module, x):
    return module(x.flatten(1, 2)).unflatten(1, x.shape[1:3])


def mmseg_attention(module, x):
    tokens = x.flatten(1, 2)
    y = module(tokens, x.shape[1:3], identity=torch.zeros_like(tokens))
    return y.unflatten(1, x.shape[1:3])


def assert_same(ours, upstream, apply_upstream, x):
    """Assert that weights load strictly and that outputs and all gradients agree."""
    ours.load_state_dict(upstream.state_dict(), strict=True)
    tolerance = TOLERANCE[x.dtype]
    actual, expected = ours(x), apply_upstream(upstream, x)
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)
    weight = torch.randn_like(x)
    actual, expected = (
        gradients(module, x, (y * weight).sum())
        for module, y in ((ours, actual), (upstream, expected))
    )
    assert actual.keys() == expected.keys()
    for name, gradient in expected.items():
        error = (actual[name] - gradient).norm().item()
        assert error <= tolerance * (1 + gradient.norm().item()), name


def gradients(module, x, loss):
    loss.backward(inputs=[x, *module.parameters()])
    gradient, x.grad = x.grad, None
    return dict(input=gradient, **{name: p.grad for name, p in module.named_parameters()})


@pytest.mark.parametrize('dtype', TOLERANCE)
@pytest.mark.parametrize('grid', GRIDS)
@pytest.mark.parametrize('qkv_bias', [True, False])
def test_sa_is_mmpretrains(grid, qkv_bias, dtype):
    upstream = randomised(MultiheadAttention(24, 3, qkv_bias=qkv_bias)).to(dtype)
    ours = SA(24, 3, qkv_bias=qkv_bias).to(dtype)
    x = torch.randn(2, *grid, 24, dtype=dtype, requires_grad=True)
    assert_same(ours, upstream, mmpretrain_attention, x)


def efficient_attention(sr_ratio, qkv_bias=True):
    return randomised(
        EfficientMultiheadAttention(
            24, 3, sr_ratio=sr_ratio, qkv_bias=qkv_bias, norm_cfg=dict(type='LN', eps=1e-6)
        )
    )


@pytest.mark.parametrize('dtype', TOLERANCE)
@pytest.mark.parametrize(
    'sr_ratio, grid',
    [
        *((1, grid) for grid in GRIDS),
        (2, (2, 2)),
        (2, (7, 16)),
        (2, (33, 17)),
        (8, (8, 8)),
        (8, (9, 8)),
        (8, (15, 31)),
        (8, (33, 17)),
    ],
)
@pytest.mark.parametrize('qkv_bias', [True, False])
def test_esa_is_mmsegs(sr_ratio, grid, qkv_bias, dtype):
    upstream = efficient_attention(sr_ratio, qkv_bias).to(dtype)
    ours = ESA(24, 3, sr_ratio, qkv_bias=qkv_bias).to(dtype)
    x = torch.randn(2, *grid, 24, dtype=dtype, requires_grad=True)
    assert_same(ours, upstream, mmseg_attention, x)


@pytest.mark.parametrize(
    'sr_ratio, grid',
    [(2, (1, 1)), (2, (1, 5)), (8, (1, 1)), (8, (1, 5)), (8, (7, 7)), (8, (3, 20)), (8, (20, 3))],
)
def test_a_grid_below_one_window_is_filled_up_with_zeros(sr_ratio, grid):
    upstream = efficient_attention(sr_ratio).double()
    ours = ESA(24, 3, sr_ratio).double()
    height, width = grid

    def upstream_on_padded(module, x):
        missing = [max(sr_ratio - size, 0) for size in grid]
        padded = F.pad(x, (0, 0, 0, missing[1], 0, missing[0]))
        return mmseg_attention(module, padded)[:, :height, :width]

    x = torch.randn(2, *grid, 24, dtype=torch.float64, requires_grad=True)
    assert_same(ours, upstream, upstream_on_padded, x)


@pytest.mark.parametrize('grid', GRIDS)
@pytest.mark.parametrize('num_heads', [1, 2, 8])
def test_sa_definition(grid, num_heads):
    """Eq. 1 head by head: softmax(q k^T / sqrt(d)) v, then the output projection."""
    mixer = randomised(SA(8, num_heads)).double()
    x = torch.randn(2, *grid, 8, dtype=torch.float64)
    tokens, d = x.reshape(2, -1, 8), 8 // num_heads
    heads = []
    for h in range(num_heads):
        q, k, v = (
            torch.einsum('bnc,dc->bnd', tokens, mixer.qkv.weight[i + h * d : i + (h + 1) * d])
            + mixer.qkv.bias[i + h * d : i + (h + 1) * d]
            for i in (0, 8, 16)
        )
        scores = torch.exp(torch.einsum('bnd,bmd->bnm', q, k) / d**0.5)
        heads.append(torch.einsum('bnm,bmd->bnd', scores / scores.sum(-1, keepdim=True), v))
    expected = torch.cat(heads, -1) @ mixer.proj.weight.T + mixer.proj.bias
    torch.testing.assert_close(mixer(x), expected.reshape(x.shape))


def test_sa_knows_no_order_of_tokens():
    mixer = randomised(SA(16, 4)).double()
    x = torch.randn(2, 5, 7, 16, dtype=torch.float64)
    order = torch.randperm(35)
    tokens = x.reshape(2, 1, 35, 16)
    torch.testing.assert_close(mixer(tokens[:, :, order]), mixer(tokens)[:, :, order])
    torch.testing.assert_close(mixer(tokens).reshape(x.shape), mixer(x))
    assert mixer.needs_grid is False and getattr(ESA(16, 4, 1), 'needs_grid', True)


@pytest.mark.parametrize('bias', [True, False])
def test_sa_takes_the_keys_of_mmcv(load_into, bias):
    upstream = randomised(MMCVAttention(24, 3, batch_first=True, bias=True)).double()
    state = {f'block.{key}': value for key, value in upstream.state_dict().items()}
    if not bias:
        state.pop('block.attn.in_proj_bias')
        torch.nn.init.zeros_(upstream.attn.in_proj_bias)
    keys = list(state)
    model = torch.nn.ModuleDict(dict(block=SA(24, 3, qkv_bias=bias))).double()
    load_into(model, state)
    assert list(state) == keys
    x = torch.randn(2, 5, 3, 24, dtype=torch.float64)
    tokens = x.flatten(1, 2)
    expected = upstream(tokens, identity=torch.zeros_like(tokens)).reshape(x.shape)
    torch.testing.assert_close(model.block(x), expected)


def test_a_saved_sa_loads_again_and_copies():
    mixer = randomised(SA(16, 4))
    x = torch.randn(1, 3, 4, 16)
    again = copy.deepcopy(SA(16, 4))
    again.load_state_dict(mixer.state_dict(), strict=True)
    assert torch.equal(again(x), mixer(x))


def test_keys_of_both_kinds_at_once_are_refused():
    state = SA(16, 4).state_dict()
    state['attn.in_proj_bias'] = torch.zeros(48)
    with pytest.raises(RuntimeError, match='Unexpected key.*attn.in_proj_bias'):
        SA(16, 4).load_state_dict(state)


def saved_for_backward(module, x, apply=lambda module, x: module(x)):
    """Return the bytes kept for backward without parameters, and the size of the largest tensor."""
    own = {p.untyped_storage().data_ptr() for p in module.parameters()}
    saved = {}

    def pack(tensor):
        if tensor.untyped_storage().data_ptr() not in own:
            saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = apply(module, x)
    largest = max(t.untyped_storage().nbytes() // t.element_size() for t in saved.values())
    del y
    return sum(t.untyped_storage().nbytes() for t in saved.values()), largest


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize(
    'mixer, inputs, largest',
    [(SA(64, 2), 5.2, 3), (ESA(64, 2, 4), 3.4, 1), (ESA(64, 2, 8), 3.2, 1)],
    ids=['SA', 'ESA4', 'ESA8'],
)
def test_memory_for_backward_is_a_few_times_the_input(mixer, inputs, largest, dtype):
    """The attention matrices have 128, 8 and 2 times the elements of the input."""
    x = torch.randn(1, 64, 64, 64, dtype=dtype, requires_grad=True)
    total, largest_saved = saved_for_backward(copy.deepcopy(mixer).to(dtype), x)
    assert largest_saved <= largest * x.numel()
    assert total <= inputs * x.nbytes


def test_memory_is_far_below_mmsegs():
    x = torch.randn(1, 64, 64, 64, requires_grad=True)
    ours, _ = saved_for_backward(ESA(64, 1, 4), x)
    upstream = EfficientMultiheadAttention(64, 1, sr_ratio=4)
    assert ours < saved_for_backward(upstream, x, mmseg_attention)[0] / 2


@pytest.mark.parametrize('make', MIXERS.values(), ids=MIXERS)
def test_attention_dropout_is_for_training(make):
    mixer, without = make(attn_drop=0.5), make()
    without.load_state_dict(mixer.state_dict())
    x = torch.randn(1, 8, 8, 16)
    assert not torch.allclose(mixer(x), mixer(x))
    assert torch.equal(mixer.eval()(x), without(x))


@pytest.mark.parametrize('make', MIXERS.values(), ids=MIXERS)
def test_rate_of_attention_dropout(make):
    """With one token and one head, a dropped weight leaves only the bias of the projection."""
    mixer = randomised(make(num_heads=1, attn_drop=0.8))
    bias = (mixer.proj if isinstance(mixer, SA) else mixer.attn.out_proj).bias
    dropped = (mixer(torch.randn(2000, 1, 1, 16)) == bias).all(-1)
    assert dropped.float().mean().item() == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize('grid', [(1, 1), (9, 8)])
@pytest.mark.parametrize(
    'module_dtype, dtype, autocast',
    [
        (torch.float16, torch.float16, None),
        (torch.bfloat16, torch.bfloat16, None),
        (torch.float32, torch.float16, None),
        (torch.float32, torch.bfloat16, None),
        (torch.bfloat16, torch.float32, None),
        (torch.float32, torch.float64, None),
        (torch.float32, torch.float32, torch.bfloat16),
        (torch.float32, torch.bfloat16, torch.bfloat16),
        (torch.float32, torch.float16, torch.float16),
        (torch.float32, torch.float16, torch.bfloat16),
    ],
)
@pytest.mark.parametrize('make', MIXERS.values(), ids=MIXERS)
def test_low_precision_stays_close_to_float64(make, module_dtype, dtype, autocast, grid):
    mixer = make().to(module_dtype)
    exact = copy.deepcopy(mixer).double()
    x = torch.randn(2, *grid, 16).to(dtype).requires_grad_()
    with torch.autocast('cpu', autocast) if autocast else nullcontext():
        y = mixer(x)
    assert y.dtype == dtype
    y.sum().backward()
    assert x.grad.dtype == dtype and x.grad.isfinite().all()
    expected = exact(x.double())
    coarsest = max(
        (t for t in (module_dtype, dtype, autocast) if t), key=lambda t: torch.finfo(t).eps
    )
    error = ((y.double() - expected).norm() / expected.norm()).item()
    assert error < 4 * torch.finfo(coarsest).eps


@pytest.mark.parametrize('make', MIXERS.values(), ids=MIXERS)
def test_shapes_on_the_meta_device(make):
    x = torch.zeros(2, 9, 1, 16, dtype=torch.float16, device='meta')
    y = make().to('meta')(x)
    assert y.shape == x.shape and y.dtype == x.dtype and y.is_meta


@pytest.mark.parametrize(
    'cfg, message',
    [
        (
            dict(type='SA', num_heads=5),
            r'num_heads must divide embed_dims.*\[1, 2, 3, 4, 6, 8, 12, 24',
        ),
        (dict(type='ESA', num_heads=5, sr_ratio=2), 'num_heads must divide embed_dims'),
        (dict(type='SA', num_heads=3, attn_drop=1.0), r'attn_drop must be in \[0, 1\), got 1.0'),
        (dict(type='ESA', num_heads=3, sr_ratio=1, attn_drop=-0.1), 'attn_drop must be'),
        (dict(type='SA', num_heads=3, attn_drop='10%'), r"attn_drop must be .*, got '10%'"),
        (dict(type='ESA', num_heads=3, sr_ratio=0), 'sr_ratio must be a whole number >= 1, got 0'),
        (
            dict(type='ESA', num_heads=3, sr_ratio=2.5),
            'sr_ratio must be a whole number >= 1, got 2.5',
        ),
    ],
)
def test_bad_settings_are_named(cfg, message):
    with pytest.raises(ValueError, match=message):
        build_mixer(cfg, embed_dims=24)


@pytest.mark.parametrize('make', MIXERS.values(), ids=MIXERS)
@pytest.mark.parametrize('shape', [(1, 64, 16), (1, 8, 8, 4)])
def test_bad_tokens_are_named(make, shape):
    with pytest.raises(ValueError, match=r'\(B, H, W, 16\), got'):
        make()(torch.zeros(shape))


class Doubled(torch.nn.Module):
    """A layer that is wrapped, as LoRA does, and has no weight of its own."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return 2 * self.layer(x)


@pytest.mark.parametrize('kind', ['SA', 'LS'])
@pytest.mark.parametrize('name', ['qkv', 'proj'])
def test_wrapped_layers_are_called(kind, name):
    mixer = build_mixer(dict(type=kind, num_heads=4), 16)
    wrapped, x = copy.deepcopy(mixer), torch.randn(1, 8, 8, 16)
    setattr(wrapped, name, Doubled(getattr(wrapped, name)))
    layer = getattr(mixer, name)
    with torch.no_grad():
        layer.weight *= 2
        layer.bias *= 2
    torch.testing.assert_close(wrapped(x), mixer(x))


def test_attention_can_be_quantised():
    mixer = SA(16, 4).eval()
    small = torch.ao.quantization.quantize_dynamic(mixer, {torch.nn.Linear})
    x = torch.randn(1, 4, 4, 16)
    torch.testing.assert_close(small(x), mixer(x), atol=0.05, rtol=0)
