"""Looking at models: what they cost, what their tokens and spectra are like."""

from .clusters import renumbered, token_clusters
from .cost import Cost, as_the_paper_counts, model_cost
from .figures import clusters_figure, spectra_figure
from .tokens import Layer, images_of_test, run_layers, shrunk_spectrum, trained_model

__all__ = [
    'Cost',
    'Layer',
    'as_the_paper_counts',
    'clusters_figure',
    'model_cost',
    'renumbered',
    'run_layers',
    'shrunk_spectrum',
    'spectra_figure',
    'images_of_test',
    'token_clusters',
    'trained_model',
]
