"""Draw the figures of A.1: clusters of tokens (Fig. 5) and spectra (Fig. 6)."""

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure


def clusters_figure(picture: np.ndarray, clusters: dict[str, dict[int, np.ndarray]]) -> Figure:
    """Draw Fig. 5: an image and below it the clusters of its tokens, one column per model.

    ``picture`` is ``(H, W, 3)``. ``clusters[model][layer number]`` has the cluster number of each
    token, on the grid of the layer. Equal cluster numbers get equal colours.
    """
    layers = sorted(set().union(*clusters.values()))
    figure, axes = _grid(1 + len(layers), len(clusters), picture.shape)
    axes[0, 0].set_ylabel('input')
    for row, number in zip(axes[1:], layers):
        row[0].set_ylabel(f'layer {number}')
    colours = colormaps['tab10'](np.arange(10))
    for column, (model, labels) in zip(axes.T, clusters.items()):
        column[0].set_title(model, fontsize=9)
        column[0].imshow(picture)
        for cell, number in zip(column[1:], layers):
            if number in labels:
                # Stretch the grid of tokens over the image: the stages have different grids.
                extent = (0, picture.shape[1], picture.shape[0], 0)
                tokens = colours[labels[number] % len(colours)]
                cell.imshow(tokens, interpolation='nearest', extent=extent)
            else:
                cell.set_axis_off()
    return figure


def spectra_figure(picture: np.ndarray, spectra: dict[int, tuple[np.ndarray, ...]]) -> Figure:
    """Draw Fig. 6: log magnitudes of spectra after shrinkage, and shares of zeros.

    ``picture`` is ``(H, W, 3)``. ``spectra[layer number]`` is the result of
    ``shrunk_spectrum``. Frequency zero is in the middle. White means a magnitude of 0.
    """
    figure, axes = _grid(2, 1 + len(spectra), picture.shape, extra=0.7)
    axes[0, 0].imshow(picture)
    axes[0, 0].set_title('input', fontsize=9)
    axes[1, 0].set_axis_off()
    axes[0, 1].set_ylabel('log magnitude')
    axes[1, 1].set_ylabel('share of zeros')
    with np.errstate(divide='ignore'):
        logs = {number: np.log10(magnitude) for number, (magnitude, _) in spectra.items()}
    finite = np.concatenate([log[np.isfinite(log)] for log in logs.values()])
    low, high = (finite.min(), finite.max()) if finite.size else (0, 1)
    for column, (number, (_, zeros)) in zip(axes.T[1:], spectra.items()):
        column[0].set_title(f'layer {number}', fontsize=9)
        log = column[0].imshow(
            np.ma.masked_invalid(logs[number]), vmin=low, vmax=high, interpolation='nearest'
        )
        share = column[1].imshow(zeros, vmin=0, vmax=1, cmap='magma', interpolation='nearest')
    figure.colorbar(log, ax=axes[0, 1:], label='log10', fraction=0.02)
    figure.colorbar(share, ax=axes[1, 1:], fraction=0.02)
    return figure


def _grid(rows, columns, shape, extra=0.0):
    """Return a figure and its axes, without ticks, for pictures of the given shape."""
    cell = 1.7  # inches
    size = 0.9 + extra + columns * cell * max(1.0, shape[1] / shape[0]), 0.3 + rows * cell
    figure = Figure(figsize=size, layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False, subplot_kw=dict(xticks=[], yticks=[]))
    return figure, axes
