"""Draw the figures of docs/mixers: what an untrained mixer reads, and what it does to frequencies.

    python docs/draw_mixers.py

Every panel is measured on the mixer itself with white noise as tokens: nothing is a sketch. The
left and the middle panel show which tokens an output token reads: the root of the mean square of
its derivatives by each input token, divided by the largest. The right panel shows the amplitude of
the output at each frequency, divided by the largest. ``MIXERS`` has all settings; seeds are fixed.
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import torch
from afno_mm.mixers import build_mixer

matplotlib.use('Agg')
from matplotlib import pyplot  # noqa: E402

GRID, CHANNELS = 32, 32
MIDDLE, BORDER = (16, 16), (3, 3)
# The config of each mixer by the name of its file. Without a bias the operator alone is seen.
MIXERS = {
    'afno': dict(type='AFNO', num_blocks=4, init='scaled', bias='none'),
    'afno25': dict(type='AFNO', num_blocks=4, init='scaled', bias='none', mode_fraction=0.5),
    'gfn': dict(type='GFN', grid_size=GRID),
    'fno': dict(type='FNO', num_modes=6),
    'static_afno': dict(type='StaticAFNO', num_blocks=4, num_modes=6, bias='none'),
    'ls': dict(type='LS', num_heads=2, window_size=4, num_landmarks=8),
    'sa': dict(type='SA', num_heads=2),
    'esa': dict(type='ESA', num_heads=2, sr_ratio=4),
    'identity': dict(type='Identity'),
}
SAMPLES = 16


def measure(config: dict, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the field of a token in the middle and of one at the border, and the gain.

    Both fields are ``(H, W)`` with a largest value of 1. The gain is the amplitude of the output
    at each frequency ``(H, W)``, centred, divided by the largest.
    """
    torch.manual_seed(seed)
    mixer = build_mixer(config, embed_dims=CHANNELS).eval()
    fields, gain = [torch.zeros(GRID, GRID) for _ in range(2)], torch.zeros(GRID, GRID)
    for _ in range(SAMPLES):
        x = torch.randn(1, GRID, GRID, CHANNELS, requires_grad=True)
        y = mixer(x)
        for field, (row, column) in zip(fields, (MIDDLE, BORDER)):
            # The square of a random projection of the derivatives has their energy as its mean.
            direction = torch.randn(CHANNELS)
            (grad,) = torch.autograd.grad(y[0, row, column] @ direction, x, retain_graph=True)
            field += grad[0].square().sum(-1)
        spectrum = torch.fft.fft2(y.detach()[0], dim=(0, 1)).abs().square().sum(-1)
        gain += torch.fft.fftshift(spectrum)
    middle, border = ((field / field.max()).sqrt().numpy() for field in fields)
    return middle, border, (gain / gain.max()).sqrt().numpy()


def draw(config: dict, path: Path) -> None:
    """Write the three panels of a mixer."""
    middle, border, gain = measure(config)
    figure, axes = pyplot.subplots(1, 3, figsize=(7.2, 2.3), layout='constrained')
    titles = (
        'a token in the middle reads',
        'a token near the border reads',
        'amplitude by frequency',
    )
    for axis, values, title in zip(axes, (middle, border, gain), titles):
        is_gain = values is gain
        half = GRID // 2
        extent = (-half - 0.5, half - 0.5, half - 0.5, -half - 0.5) if is_gain else None
        shown = axis.imshow(
            np.log10(np.maximum(values, 1e-4)), vmin=-3, vmax=0, cmap='magma', extent=extent
        )
        axis.set_title(title, fontsize=8)
        axis.tick_params(labelsize=6)
        if not is_gain:
            row, column = MIDDLE if values is middle else BORDER
            axis.plot(column, row, 'o', mfc='none', mec='deepskyblue', ms=7)
    bar = figure.colorbar(shown, ax=axes, ticks=[-3, -2, -1, 0], shrink=0.8)
    bar.ax.set_yticklabels(['0.001', '0.01', '0.1', '1'], fontsize=6)
    figure.savefig(path, dpi=110, pil_kwargs=dict(quality=85))
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--out', type=Path, default=Path(__file__).parent / 'mixers')
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, config in MIXERS.items():
        draw(config, out / f'{name}.jpg')


if __name__ == '__main__':
    main()
