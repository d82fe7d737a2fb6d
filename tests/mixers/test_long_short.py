"""LS: reference vectors, float64 definition, which tokens it reaches, half precision."""

import copy

import pytest
import torch
from afno_mm import ops
from afno_mm.mixers import LS, long_short
from afno_mm.ops.naive import long_short as definition
from vectors import VECTORS, load, relative_error

GRIDS = [(1, 1), (1, 5), (8, 8), (9, 8), (7, 16), (6, 7), (5, 3)]
PROJECTION_BIAS = 'to_dynamic_projection.bias'


def make(embed_dims=8, num_heads=2, window_size=4, num_landmarks=4, **settings):
    """Make a float64 mixer whose scores, biases and norms are not at their initial values."""
    mixer = LS(embed_dims, num_heads, window_size, num_landmarks, **settings).double()
    with torch.no_grad():
        for p in mixer.parameters():
            p.add_(0.5 * torch.randn_like(p))
    return mixer


def tokens(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=torch.float64).to(dtype).requires_grad_()


def gradients(y, weight, x, mixer):
    names, parameters = zip(*mixer.named_parameters())
    return dict(zip(['x', *names], torch.autograd.grad((y * weight).sum(), [x, *parameters])))


def test_there_are_vectors():
    assert len(VECTORS('ls_*')) == 3


@pytest.mark.parametrize('path', VECTORS('ls_*'), ids=lambda p: p.stem)
def test_reference_vectors(path):
    data = load(path)
    grid = data['meta.H'], data['meta.W']
    x, grad_output = (data[key].unflatten(1, grid) for key in ('input', 'grad_output'))
    mixer = LS(x.shape[-1], data['meta.num_heads'], data['meta.window_size'], data['meta.dp_rank'])
    mixer.load_state_dict({k[6:]: v for k, v in data.items() if k.startswith('param.')})
    y = mixer(x.requires_grad_())
    actual = gradients(y, grad_output, x, mixer)
    assert relative_error(y.flatten(1, 2), data['output']) <= 1e-5
    assert relative_error(actual.pop('x').flatten(1, 2), data['grad_input']) <= 1e-4
    # A bias does not change a softmax over tokens: the recorded gradient is rounding of zero.
    scale = data['grad.to_dynamic_projection.weight'].norm()
    assert (
        max(actual.pop(PROJECTION_BIAS).norm(), data[f'grad.{PROJECTION_BIAS}'].norm())
        <= 1e-6 * scale
    )
    for name, gradient in actual.items():
        assert relative_error(gradient, data[f'grad.{name}']) <= 1e-4, name


@pytest.mark.parametrize('grid', GRIDS)
@pytest.mark.parametrize('window_size', [1, 2, 4])
@pytest.mark.parametrize('num_landmarks', [1, 4])
@pytest.mark.parametrize('num_heads', [1, 2])
def test_float64_definition(grid, window_size, num_landmarks, num_heads):
    mixer = make(4, num_heads, window_size, num_landmarks)
    x = tokens(2, *grid, 4)
    expected = definition(x, dict(mixer.named_parameters()), num_heads, window_size)
    actual = mixer(x)
    torch.testing.assert_close(actual, expected)
    transformed = torch.func.vjp(mixer, x)[0]  # takes the way of exports and transforms
    torch.testing.assert_close(transformed, expected)
    weight = torch.randn_like(x)
    expected, actual = (gradients(y, weight, x, mixer) for y in (expected, actual))
    for name in expected:
        torch.testing.assert_close(actual[name], expected[name], msg=f'{name}: {{}}'.format)


@pytest.mark.parametrize('window_size, grid', [(3, (7, 5)), (5, (4, 11)), (8, (9, 3))])
def test_float64_definition_without_qkv_bias(window_size, grid):
    mixer = make(6, 3, window_size, 2, qkv_bias=False)
    x = tokens(1, *grid, 6)
    expected = definition(x, dict(mixer.named_parameters()), 3, window_size)
    torch.testing.assert_close(mixer(x), expected)


@pytest.mark.slow
@pytest.mark.parametrize('grid', [(1, 1), (3, 5), (4, 4)])
def test_gradcheck(grid):
    mixer = make(4, 2, 2, 2)
    x = tokens(1, *grid, 4)
    names, values = zip(*mixer.named_parameters())

    def apply(x, *values):
        return torch.func.functional_call(mixer, dict(zip(names, values)), (x,))

    assert torch.autograd.gradcheck(apply, (x, *values))


def test_images_of_a_batch_do_not_mix():
    mixer = make()
    x = tokens(3, 7, 6, 8)
    torch.testing.assert_close(mixer(x), torch.cat([mixer(image[None]) for image in x]))


def test_far_tokens_act_through_landmarks_only():
    """A token with no weight in the projection reaches only windows within w // 2."""
    mixer = make()
    with torch.no_grad():
        mixer.to_dynamic_projection.weight[:, 0] = 50  # channel 0 sets the weight
    outsider, moved = tokens(1, 14, 19, 8).detach(), torch.randn(7).double()
    outsider[..., 0] = 0

    def reach(of_channel_0):
        a = outsider.clone()
        a[0, 6, 9, 0] = of_channel_0
        b = a.clone()
        b[0, 6, 9, 1:] += moved
        return (mixer(a) != mixer(b)).any(-1)[0]

    # Windows [4, 8) and [8, 12) on both axes: their margins of 2 reach row 6 and column 9.
    seen = torch.zeros(14, 19, dtype=torch.bool)
    seen[4:12, 4:12] = True
    assert torch.equal(reach(-100.0), seen)
    assert reach(0.0).all()


@pytest.mark.parametrize('grid', [(1, 1), (9, 8), (5, 17)])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize('autocast', [None, torch.float16, torch.bfloat16])
def test_low_precision_stays_close_to_float64(grid, dtype, autocast):
    exact = make()
    mixer = copy.deepcopy(exact).to(dtype if autocast is None else torch.float32)
    exact.load_state_dict(mixer.state_dict())  # the same rounded weights
    x = tokens(2, *grid, 8, dtype=dtype)
    with torch.autocast('cpu', autocast, enabled=autocast is not None):
        y = mixer(x)
    assert y.dtype == dtype
    bounds = {torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 4e-2}
    bound = max(bounds[dtype], bounds[autocast or dtype])
    assert relative_error(y.double(), exact(x.double())) < bound
    weight = torch.randn_like(y)
    actual = gradients(y, weight, x, mixer)
    x = x.detach().double().requires_grad_()
    expected = gradients(exact(x), weight.double(), x, exact)
    del expected[PROJECTION_BIAS]
    if grid == (1, 1):  # The probability of a single token is 1 whatever its score.
        del expected['to_dynamic_projection.weight']
    for name in expected:
        assert relative_error(actual[name].double(), expected[name]) < 3 * bound, name


def projection_gradient_error(side, precision, autocast, loss_scale=1.0):
    """Return the relative error of the gradient of ``to_dynamic_projection.weight`` in float16.

    The loss is the mean of the outputs on side x side float16 tokens. ``precision`` replaces
    full_precision. The rest runs under float16 autocast, or in float64.
    """
    torch.manual_seed(0)
    mixer = LS(16, 2)
    exact = copy.deepcopy(mixer).double()
    x = torch.randn(1, side, side, 16).half()
    exact(x.double()).mean().backward()
    mixer = mixer if autocast else mixer.double()
    with pytest.MonkeyPatch.context() as patch, torch.autocast('cpu', torch.float16, autocast):
        patch.setattr(long_short, 'full_precision', precision)
        (mixer(x).double().mean() * loss_scale).backward()
    gradient, expected = (m.to_dynamic_projection.weight.grad for m in (mixer, exact))
    return relative_error(gradient.double() / loss_scale, expected)


@pytest.mark.slow
def test_gradient_of_the_projection_does_not_degrade_with_the_number_of_tokens():
    """Only the long branch rounds here. The gradient of a score is about 1 / N."""
    sides = (16, 56, 128)  # 256, 3136 and 16 384 tokens
    ours, in_half = (
        [projection_gradient_error(side, precision, autocast=False) for side in sides]
        for precision in (ops.full_precision, torch.Tensor.half)
    )
    assert max(ours) < 2e-3
    assert in_half[0] < 0.005 < in_half[1] < 0.05 < in_half[2]


@pytest.mark.parametrize('side', [16, 56, pytest.param(128, marks=pytest.mark.slow)])
def test_gradient_of_the_projection_under_autocast_with_loss_scaling(side):
    assert (
        projection_gradient_error(side, ops.full_precision, autocast=True, loss_scale=2.0**16)
        < 2e-3
    )


def test_gradient_of_landmarks_is_summed_in_their_dtype():
    """The sum over 4096 windows would be infinite in float16."""
    grid, landmarks = torch.ones(1, 64, 64, 2).half(), tokens(1, 1, 2, dtype=torch.float32)
    y = ops.long_short(grid, grid, grid, landmarks, landmarks, num_heads=1, window_size=1)
    y.backward(torch.full_like(y, 1000))
    assert landmarks.grad.isfinite().all() and landmarks.grad.max() > 65504


def test_dropout_in_training_only():
    mixer = make(attn_drop=0.5)
    x = tokens(1, 6, 6, 8)
    assert not torch.equal(mixer(x), mixer(x))
    mixer.eval()
    expected = definition(x, dict(mixer.named_parameters()), 2, 4)
    torch.testing.assert_close(mixer(x), expected)


def test_memory_saved_for_backward():
    """Tokens, q, k, v and the result are saved. Copies of k and v for windows would be 9 more."""
    saved, storage = {}, torch.Tensor.untyped_storage
    mixer, x = LS(64, 8), torch.randn(1, 48, 48, 64)
    own = {storage(p).data_ptr() for p in mixer.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: saved.update({storage(t).data_ptr(): t}) or t, lambda t: t
    ):
        y = mixer(x)
    kept = sum(storage(t).nbytes() for address, t in saved.items() if address not in own)
    assert kept <= 5.01 * x.nbytes and y.requires_grad


def test_gradients_of_a_dropout():
    """Backward computes the attention again and drops the same weights."""
    mixer, x = make(attn_drop=0.5), tokens(1, 5, 6, 8)

    def apply(x):
        torch.manual_seed(0)
        return mixer(x)

    assert torch.autograd.gradcheck(apply, x, fast_mode=True)


def test_initial_values():
    mixer = LS(256, 8)
    for layer in (mixer.qkv, mixer.proj, mixer.to_dynamic_projection):
        assert abs(layer.weight.std().item() - 0.02) < 1e-3 and not layer.bias.any()


def test_shapes_on_the_meta_device():
    x = torch.zeros(2, 9, 7, 8, dtype=torch.float16, device='meta')
    y = LS(8, 2).to('meta')(x)
    assert y.shape == x.shape and y.dtype == x.dtype and y.is_meta


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(num_heads=5), r'num_heads must divide embed_dims.*\[1, 2, 3, 4, 6, 8, 12, 24\]'),
        (dict(window_size=0), 'window_size must be a whole number >= 1, got 0'),
        (dict(window_size=2.5), 'window_size must be a whole number >= 1, got 2.5'),
        (dict(num_landmarks=0), 'num_landmarks must be a whole number >= 1, got 0'),
        (dict(attn_drop=1.0), r'attn_drop must be in \[0, 1\)'),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        LS(24, **{'num_heads': 2, **settings})


@pytest.mark.parametrize('shape', [(1, 64, 8), (1, 8, 8, 4)])
def test_bad_tokens_are_named(shape):
    with pytest.raises(ValueError, match=r'\(B, H, W, 8\), got'):
        LS(8, 2)(torch.zeros(shape))


@pytest.mark.parametrize('grid', [(1, 5), (9, 8), (16, 64), (56, 56)])
@pytest.mark.parametrize('dtype, bound', [(torch.float16, 8e-3), (torch.bfloat16, 1e-2)])
def test_a_half_precision_module_has_the_gradient_of_a_mean_loss(grid, dtype, bound):
    """The gradients of the outputs are 1 / (H * W * C): in float16 little would be left of them."""
    mixer = LS(16, 2).to(dtype)
    exact = copy.deepcopy(mixer).double()
    x = torch.randn(1, *grid, 16).to(dtype).requires_grad_()
    exact_x = x.detach().double().requires_grad_()
    (actual,) = torch.autograd.grad(mixer(x).mean(), x)
    (expected,) = torch.autograd.grad(exact(exact_x).mean(), exact_x)
    assert relative_error(actual.double(), expected) < bound
