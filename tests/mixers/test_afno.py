"""AFNO: reference vectors, float64 definition, invariants, initial values."""

import math

import pytest
import torch
from afno_mm.mixers import AFNO
from afno_mm.ops import block_mlp, irfft2, naive, rfft2
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from vectors import VECTORS, assert_reproduces, load, relative_error

GRIDS = [(1, 1), (1, 5), (8, 8), (9, 8), (7, 16), (6, 7)]


def make(embed_dims=8, num_blocks=2, **settings):
    """Make a float64 mixer whose coefficients are far above the threshold."""
    mixer = AFNO(embed_dims, num_blocks, **settings).double()
    with torch.no_grad():
        for name in ('w1', 'b1', 'w2', 'b2'):
            getattr(mixer, name).mul_(20)
    return mixer


def test_there_are_vectors():
    assert len(VECTORS('afno_*.npz')) == 4


@pytest.mark.parametrize('path', VECTORS('afno_*.npz'), ids=lambda p: p.stem)
def test_reference_vectors(path):
    data = load(path)
    assert_reproduces(
        AFNO(
            data['input'].shape[-1],
            num_blocks=data['meta.num_blocks'],
            sparsity_threshold=data['meta.sparsity_threshold'],
            hidden_ratio=data['meta.hidden_size_factor'],
        ),
        data,
    )


@pytest.mark.parametrize('grid', GRIDS)
@pytest.mark.parametrize('mode_fraction', [1.0, 0.5, 0.3])
@pytest.mark.parametrize('norm', ['ortho', 'forward'])
def test_float64_definition(grid, mode_fraction, norm):
    mixer = make(
        mode_fraction=mode_fraction, norm=norm, bias='none', hidden_ratio=2, sparsity_threshold=0.05
    )
    weights = (mixer.w1, mixer.b1, mixer.w2, mixer.b2)
    x = torch.randn(2, *grid, 8, dtype=torch.float64, requires_grad=True)
    expected = naive.afno(x, *weights, 0.05, mode_fraction, norm)
    actual = mixer(x)
    torch.testing.assert_close(actual, expected)
    weight = torch.randn_like(x)
    for a, b in zip(
        *(torch.autograd.grad((y * weight).sum(), [x, *weights]) for y in (actual, expected))
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    'grid, mode_fraction, bias',
    [
        ((1, 1), 1.0, 'conv'),
        pytest.param((4, 4), 1.0, 'identity', marks=pytest.mark.slow),
        pytest.param((3, 5), 1.0, 'conv', marks=pytest.mark.slow),
        pytest.param((6, 5), 0.5, 'none', marks=pytest.mark.slow),
    ],
)
def test_gradcheck(grid, mode_fraction, bias):
    mixer = make(4, 2, mode_fraction=mode_fraction, bias=bias)
    x = torch.randn(1, *grid, 4, dtype=torch.float64, requires_grad=True)
    names, values = zip(*mixer.named_parameters())

    def apply(x, *values):
        return torch.func.functional_call(mixer, dict(zip(names, values)), (x,))

    assert torch.autograd.gradcheck(apply, (x, *values))
    assert torch.autograd.gradgradcheck(apply, (x, *values))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 20), st.integers(1, 20), st.floats(0.05, 1), st.integers(0, 10**6))
def test_truncation_equals_masking_the_spectrum(height, width, mode_fraction, seed):
    """A truncated mixer is the full one between two low-pass filters."""
    torch.manual_seed(seed)
    full = make(bias='none', sparsity_threshold=0.01)
    truncated = make(bias='none', sparsity_threshold=0.01, mode_fraction=mode_fraction)
    truncated.load_state_dict(full.state_dict())

    def low_pass(x):
        keep = torch.zeros(height, width, 1, dtype=x.dtype)
        for u in naive.kept_frequencies(height, mode_fraction):
            keep[u, [v % width for v in naive.kept_frequencies(width, mode_fraction)]] = 1
        return torch.fft.ifft2(torch.fft.fft2(x, dim=(1, 2)) * keep, dim=(1, 2)).real

    x = torch.randn(1, height, width, 8, dtype=torch.float64)
    torch.testing.assert_close(truncated(x), low_pass(full(low_pass(x))))


@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from(['float32', 'float16', 'bfloat16']),
    st.sampled_from(['identity', 'conv', 'depthwise', 'none']),
    st.booleans(),
    st.floats(0.1, 1),
)
def test_low_precision_stays_close_to_float64(height, width, dtype, bias, half_module, fraction):
    dtype = getattr(torch, dtype)
    exact = make(bias=bias, mode_fraction=fraction)
    mixer = AFNO(8, 2, bias=bias, mode_fraction=fraction)
    mixer.load_state_dict(exact.state_dict())
    if half_module or dtype == torch.float32:
        mixer = mixer.to(dtype)
        exact.load_state_dict(mixer.state_dict())  # the same rounded weights
    x = torch.randn(1, height, width, 8).to(dtype)
    with torch.autocast('cpu', torch.bfloat16, enabled=not half_module and dtype != torch.float32):
        y = mixer(x)
    assert y.dtype == dtype
    bound = {torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 1e-2}[dtype]
    assert relative_error(y.double(), exact(x.double())) < bound


def test_parameters_and_conv_bias_of_published_layers_load_strictly():
    mixer = AFNO(24, num_blocks=4, hidden_ratio=3, bias='conv')
    published = dict(
        w1=torch.randn(2, 4, 6, 18),
        b1=torch.randn(2, 4, 18),
        w2=torch.randn(2, 4, 18, 6),
        b2=torch.randn(2, 4, 6),
    )
    published |= {'bias.weight': torch.randn(24, 24, 1), 'bias.bias': torch.randn(24)}
    mixer.load_state_dict(published, strict=True)
    x = torch.randn(1, 5, 6, 24)
    published_bias = torch.nn.functional.conv1d(
        x.flatten(1, 2).transpose(1, 2), published['bias.weight'], published['bias.bias']
    )
    without = AFNO(24, num_blocks=4, hidden_ratio=3, bias='none')
    without.load_state_dict({k: v for k, v in published.items() if 'bias' not in k})
    expected = without(x) + published_bias.transpose(1, 2).unflatten(1, (5, 6))
    torch.testing.assert_close(mixer(x), expected)


def test_depthwise_bias_adds_a_convolution_of_each_channel_with_zeros_outside():
    mixer, without = make(bias='depthwise'), make(bias='none')
    without.load_state_dict({k: v for k, v in mixer.state_dict().items() if 'bias' not in k})
    x = torch.randn(2, 4, 5, 8, dtype=torch.float64)
    outside = torch.zeros(2, 6, 7, 8, dtype=torch.float64)
    outside[:, 1:-1, 1:-1] = x
    expected = without(x) + mixer.bias.bias
    for i in range(3):
        for j in range(3):
            expected += mixer.bias.weight[:, 0, i, j] * outside[:, i : i + 4, j : j + 5]
    torch.testing.assert_close(mixer(x), expected)


@pytest.mark.parametrize('bias', ['identity', 'conv'])
def test_padding_adds_zeros_before_the_transform_and_removes_them(bias):
    plain = make(bias=bias)
    padded = make(bias=bias, padding=0.5)
    padded.load_state_dict(plain.state_dict())
    x = torch.randn(2, 4, 7, 8, dtype=torch.float64)
    larger = torch.zeros(2, 6, 11, 8, dtype=torch.float64)  # 3.5 columns are rounded up
    larger[:, :4, :7] = x
    torch.testing.assert_close(padded(x), plain(larger)[:, :4, :7])
    with pytest.raises(ValueError, match=r'padding must be a number in \[0, 1\], got -0.1'):
        make(padding=-0.1)
    with pytest.raises(ValueError, match=r"padding must be a number in \[0, 1\], got '0.5'"):
        make(padding='0.5')
    assert make(padding=0.0001).pad(x).shape[1:3] == (5, 8)


@pytest.mark.parametrize('bias, more', [('identity', 0), ('conv', 750**2 + 750), ('none', 0)])
def test_parameter_count_of_table_1(bias, more):
    """4 d^2 / k + 4 d, and d^2 + d for the pointwise convolution."""
    mixer = AFNO(750, num_blocks=1, bias=bias)
    assert sum(p.numel() for p in mixer.parameters()) == 4 * 750**2 + 4 * 750 + more


def test_resolution_invariance():
    """norm='forward' without frequency biases: a band-limited field at 16 and at 32 agrees."""
    coarse = make(norm='forward', sparsity_threshold=0.001, mode_fraction=0.4)  # |f| <= 3
    fine = make(norm='forward', sparsity_threshold=0.001, mode_fraction=0.2)  # |f| <= 3
    with torch.no_grad():
        coarse.b1.zero_(), coarse.b2.zero_()
    fine.load_state_dict(coarse.state_dict())
    spectrum = rfft2(torch.randn(1, 16, 16, 8, dtype=torch.float64), 0.4, 'forward')
    at_16, at_32 = (irfft2(spectrum, (n, n), 'forward') for n in (16, 32))
    torch.testing.assert_close(fine(at_32)[:, ::2, ::2], coarse(at_16))


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(num_blocks=5), r'num_blocks must divide embed_dims.*\[1, 2, 3, 4, 6, 8, 12, 24\]'),
        (dict(num_blocks=0), 'num_blocks must divide'),
        (dict(mode_fraction=0.0), r'mode_fraction must be in \(0, 1\]'),
        (dict(mode_fraction=1.1), 'mode_fraction'),
        (dict(mode_fraction='32/56'), r"mode_fraction must be in \(0, 1\], got '32/56'"),
        (dict(sparsity_threshold=-1), 'sparsity_threshold'),
        (dict(bias='konv'), "bias must be one of .*'konv'"),
        (dict(norm='backward'), 'norm must be one of'),
        (dict(hidden_ratio=0.5), 'hidden_ratio'),
        (dict(init=['scaled']), r"init must be one of .*\['scaled'\]"),
        (dict(init='zero'), "init must be one of .*'published'.*'zero'"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        AFNO(24, **settings)


def at_start(embed_dims, num_blocks, sparsity_threshold, init, grid=(56, 56), **settings):
    """Apply a fresh layer to white noise of unit variance, as a LayerNorm returns it.

    Returns:
        The noise, the result without bias, and the share of real and imaginary parts that are
        not zero after the shrinkage.
    """
    mixer = AFNO(embed_dims, num_blocks, sparsity_threshold, init=init, bias='none', **settings)
    x = F.layer_norm(torch.randn(1, *grid, embed_dims), (embed_dims,))
    with torch.no_grad():
        z = block_mlp(rfft2(x), mixer.w1, mixer.b1, mixer.w2, mixer.b2, sparsity_threshold)
        return x, mixer(x), torch.view_as_real(z).count_nonzero().item() / (2 * z.numel())


PAPER = [  # d, k, lambda: A.2, A.5, Fig. 4's best lambda with A.5's layer, A.6, A.3 by stage
    (750, 1, 0.1),
    (384, 16, 0.1),
    (384, 16, 0.01),
    (584, 4, 0.01),
    (208, 1, 0.01),
    (288, 2, 0.01),
    (440, 5, 0.01),
    (512, 8, 0.01),
]


@pytest.mark.parametrize('embed_dims, num_blocks, sparsity_threshold', PAPER)
def test_scaled_init_passes_the_spectrum_on(embed_dims, num_blocks, sparsity_threshold):
    x, y, share = at_start(embed_dims, num_blocks, sparsity_threshold, 'scaled')
    # Parts have a variance of 1/2, so erf(lambda) of them lie below the threshold.
    assert share == pytest.approx(1 - math.erf(sparsity_threshold), abs=0.02)
    assert (y.std() / x.std()).item() == pytest.approx(1 - sparsity_threshold, abs=0.06)


@pytest.mark.parametrize(
    'embed_dims, num_blocks, sparsity_threshold, least, most',
    [(384, 16, 0.1, 0, 0.005), (384, 16, 0.01, 0.6, 0.75), (750, 1, 0.1, 0.65, 0.8)],
)
def test_published_init_is_nearly_dead_at_the_setting_of_classification(
    embed_dims, num_blocks, sparsity_threshold, least, most
):
    """The layer of A.5, the same at the lambda of Fig. 4, and that of A.2."""
    _, _, share = at_start(embed_dims, num_blocks, sparsity_threshold, 'published')
    assert least <= share <= most


@pytest.mark.parametrize(
    'embed_dims, num_blocks, settings',
    [
        (512, 512, {}),
        (512, 128, {}),
        (512, 32, {}),
        (512, 1, {}),
        (512, 64, dict(hidden_ratio=4)),
        (512, 64, dict(norm='forward')),
    ],
)
@pytest.mark.parametrize('grid', [(16, 16), (15, 33)])
def test_scaled_init_keeps_the_scale_at_any_block_size(embed_dims, num_blocks, settings, grid):
    x, y, _ = at_start(embed_dims, num_blocks, 0, 'scaled', grid, **settings)
    assert (y.std() / x.std()).item() == pytest.approx(1, abs=0.1)


def test_scaled_init_has_no_peak_at_the_first_token():
    """A ReLU leaves a mean at every frequency. Their sum is the first token."""

    def peak(init):
        energy = at_start(384, 8, 0, init)[1].square().sum(-1)[0]  # (H, W)
        return (energy[0, 0] / energy.mean()).item()

    assert peak('scaled') < 4 < 100 < peak('published')


def test_scaled_init_commutes_with_scaling_of_the_tokens():
    """So it suits spectra of any scale, and starts without frequency biases."""
    mixer = AFNO(64, 8, 0, init='scaled')
    x = torch.randn(1, 9, 8, 64)
    torch.testing.assert_close(mixer(3 * x), 3 * mixer(x))
