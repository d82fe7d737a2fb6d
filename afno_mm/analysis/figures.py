"""The pictures of A.1."""

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

CELL = 1.7  # inches
LABEL = 0.9


def clusters_figure(picture, clusters):
    """Fig. 5: an image, and below it the clusters of its tokens, a column for each model.

    Args:
        picture (ndarray): ``(H, W, 3)``.
        clusters (dict[str, dict[int, ndarray]]): By model and number of the layer. A cluster has
            the same colour where it has the same number.
    """
    layers = sorted(set().union(*clusters.values()))
    figure, axes = _grid(1 + len(layers), len(clusters), picture.shape)
    axes[0, 0].set_ylabel('input')
    for row, number in zip(axes[1:], layers):
        row[0].set_ylabel(f'layer {number}')
    colours = np.array(colormaps['tab10'].colors)
    for column, (model, labels) in zip(axes.T, clusters.items()):
        column[0].set_title(model, fontsize=9)
        column[0].imshow(picture)
        for cell, number in zip(column[1:], layers):
            if number in labels:
                # As large as the image, so that the tokens of all stages lie where they belong.
                cell.imshow(
                    colours[labels[number] % len(colours)],
                    interpolation='nearest',
                    extent=(0, picture.shape[1], picture.shape[0], 0),
                )
            else:
                cell.set_axis_off()
    return figure


def spectra_figure(picture, spectra):
    """Fig. 6: log magnitudes of spectra after shrinkage, and the share of their values that are zero.

    Frequency zero is in the middle. White has no magnitude at all.

    Args:
        picture (ndarray): ``(H, W, 3)`` of the image.
        spectra (dict[int, tuple[ndarray, ndarray]]): By the number of the layer, as from
            :func:`afno_mm.analysis.tokens.shrunk_spectrum`.
    """
    figure, axes = _grid(2, 1 + len(spectra), picture.shape, extra=0.7)
    axes[0, 0].imshow(picture)
    axes[0, 0].set_title('input', fontsize=9)
    axes[1, 0].set_axis_off()
    axes[0, 1].set_ylabel('log magnitude')
    axes[1, 1].set_ylabel('share of zeros')
    with np.errstate(divide='ignore'):
        logs = {number: np.log10(magnitude) for number, (magnitude, _) in spectra.items()}
    known = np.concatenate([log[np.isfinite(log)] for log in logs.values()])
    low, high = (known.min(), known.max()) if known.size else (0, 1)
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
    width = CELL * max(1.0, shape[1] / shape[0])
    figure = Figure(
        figsize=(LABEL + extra + columns * width, 0.3 + rows * CELL), layout='constrained'
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for cell in axes.flat:
        cell.set_xticks([])
        cell.set_yticks([])
    return figure, axes
