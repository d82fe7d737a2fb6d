"""Transforms against direct sums and masks of torch's full spectrum."""

import pytest
import torch
from afno_mm.ops import irfft2, kept_modes, rfft2, rfft2_modes
from afno_mm.ops.naive import kept_frequencies
from hypothesis import given, settings
from hypothesis import strategies as st

GRIDS = [(1, 1), (1, 5), (2, 2), (5, 1), (8, 8), (9, 8), (7, 16), (6, 7), (16, 64)]


def low_pass(x, mode_fraction):
    """Set every frequency above the cut to zero in torch's full complex spectrum."""
    height, width = x.shape[1:3]
    mask = torch.zeros(height, width, 1, dtype=x.dtype)
    for u in kept_frequencies(height, mode_fraction):
        for v in kept_frequencies(width, mode_fraction):
            mask[u, v] = 1
    return torch.fft.ifft2(torch.fft.fft2(x, dim=(1, 2)) * mask, dim=(1, 2)).real


@pytest.mark.parametrize('mode_fraction', [1.0, 0.5, 32 / 56, 0.2])
@pytest.mark.parametrize('grid', GRIDS)
@pytest.mark.parametrize('norm', ['ortho', 'forward'])
def test_round_trip_keeps_the_low_frequencies(grid, mode_fraction, norm):
    x = torch.randn(2, *grid, 3, dtype=torch.float64)
    y = irfft2(rfft2(x, mode_fraction, norm), grid, norm)
    torch.testing.assert_close(y, low_pass(x, mode_fraction))


@pytest.mark.parametrize(
    'size, mode_fraction, rows, columns',
    [
        (256, 0.5, 129, 65),  # the paper's 25 % of the modes
        (56, 32 / 56, 33, 17),  # A.6: 32 of 56 frequencies per axis
        (56, 1.0, 56, 29),
        (7, 1.0, 7, 4),
    ],
)
def test_the_number_of_kept_modes(size, mode_fraction, rows, columns):
    assert rfft2(torch.zeros(1, size, size, 1), mode_fraction).shape == (1, rows, columns, 1)


@given(st.integers(1, 300), st.integers(1, 300), st.floats(0.001, 1))
def test_modes_kept_count_the_share(height, width, mode_fraction):
    kept = [kept_frequencies(size, mode_fraction) for size in (height, width)]
    assert kept_modes((height, width), mode_fraction) == (
        len(kept[0]),
        1 + max(abs(f) for f in kept[1]),
    )


@pytest.mark.parametrize('compiled', [False, True])
@pytest.mark.parametrize('norm', ['ortho', 'forward', 'backward'])
@pytest.mark.parametrize('grid, modes', [((9, 8), (9, 5)), ((9, 8), (4, 3)), ((1, 1), (1, 1))])
def test_an_empty_batch_has_an_empty_spectrum_and_an_empty_gradient(grid, modes, norm, compiled):
    def there(x):
        return rfft2_modes(x, *modes, norm)

    def back(z):
        return irfft2(z, grid, norm)

    if compiled:
        torch._dynamo.reset()
        there, back = (torch.compile(f, backend='aot_eager', fullgraph=True) for f in (there, back))
    x = torch.zeros(0, *grid, 3, requires_grad=True)
    z = there(x)
    assert z.shape == (0, *modes, 3) and z.dtype == torch.complex64
    y = back(z)
    assert y.shape == x.shape and y.dtype == x.dtype
    (grad,) = torch.autograd.grad(y.sum(), x)
    assert grad.shape == x.shape


@pytest.mark.parametrize('grid', GRIDS)
def test_expanded_tensors_are_transformed(grid):
    """Their strides are zero, which FFTs of torch 2.6 refuse."""
    x = torch.ones(()).expand(2, *grid, 3)
    z = rfft2(x)
    torch.testing.assert_close(z, rfft2(x.contiguous()))
    z = torch.ones((), dtype=torch.complex64).expand(z.shape)
    torch.testing.assert_close(irfft2(z, grid), irfft2(z.contiguous(), grid))


def row_frequencies(rows):
    return [u if u < (rows + 1) // 2 else u - rows for u in range(rows)]


@pytest.mark.parametrize('grid', GRIDS)
def test_any_number_of_modes_agrees_with_torch(grid):
    x = torch.randn(2, *grid, 3, dtype=torch.float64)
    full = torch.fft.rfft2(x, dim=(1, 2))
    for rows in range(1, grid[0] + 1):
        for columns in range(1, grid[1] // 2 + 2):
            expected = full[:, row_frequencies(rows)][:, :, :columns]
            torch.testing.assert_close(rfft2_modes(x, rows, columns, 'backward'), expected)


@settings(deadline=None, max_examples=80)
@given(st.data(), st.integers(1, 12), st.integers(1, 12), st.integers(0, 10**6))
def test_irfft2_of_any_spectrum_is_its_hermitian_part(data, height, width, seed):
    """Spectra after an MLP are not Hermitian; the result must not depend on an FFT library."""
    generator = torch.Generator().manual_seed(seed)
    rows = data.draw(st.integers(1, height))
    columns = data.draw(st.integers(1, width // 2 + 1))
    z = torch.randn(1, rows, columns, 2, dtype=torch.complex128, generator=generator)
    y = irfft2(z, (height, width))
    # Only the Hermitian-symmetric part of the DC and Nyquist columns reaches the output.
    full = torch.zeros(1, height, width, 2, dtype=z.dtype)
    for i, u in enumerate(row_frequencies(rows)):
        for v in range(columns):
            half = 0.5 if v == 0 or 2 * v == width else 1.0
            full[:, u, v] += half * z[:, i, v]
            full[:, -u, -v] += half * z[:, i, v].conj()
    expected = torch.fft.ifft2(full, dim=(1, 2), norm='ortho')
    torch.testing.assert_close(y, expected.real)
    assert expected.imag.abs().max() < 1e-12


@pytest.mark.parametrize('grid', GRIDS)
def test_irfft_gets_real_dc_and_nyquist_columns(grid, monkeypatch):
    """CPU FFTs ignore their imaginary parts. With cuFFT, these change the result."""
    seen = []
    irfft = torch.fft.irfft
    monkeypatch.setattr(torch.fft, 'irfft', lambda z, *a, **k: seen.append(z) or irfft(z, *a, **k))
    z = torch.randn(2, grid[0], grid[1] // 2 + 1, 3, dtype=torch.complex64)
    irfft2(z, grid)
    (half,) = seen
    real = {0, grid[1] / 2}
    for column in range(half.shape[2]):
        assert (not half[:, :, column].imag.any()) == (column in real)


@pytest.mark.parametrize('norm', ['ortho', 'forward', 'backward'])
@pytest.mark.parametrize(
    'grid, modes',
    [((1, 1), (1, 1)), ((1, 5), (1, 2)), ((4, 6), (4, 4)), ((5, 7), (4, 4)), ((6, 2), (3, 2))],
)
def test_gradients_of_both_orders_are_right(grid, modes, norm):
    x = torch.randn(1, *grid, 2, dtype=torch.float64, requires_grad=True)
    z = torch.randn(1, *modes, 2, dtype=torch.complex128, requires_grad=True)
    for check in (torch.autograd.gradcheck, torch.autograd.gradgradcheck):
        assert check(lambda x: rfft2_modes(x, *modes, norm), x)
        assert check(lambda z: irfft2(z, grid, norm), z)


@pytest.mark.parametrize('grid', GRIDS)
def test_gradients_are_those_of_torch(grid):
    x = torch.randn(2, *grid, 3, dtype=torch.float64, requires_grad=True)
    expected = torch.fft.rfft2(x, dim=(1, 2), norm='ortho')
    weight = torch.randn_like(expected)
    expected, actual = (
        torch.autograd.grad((z * weight).real.sum(), x) for z in (expected, rfft2(x))
    )
    torch.testing.assert_close(actual, expected)
