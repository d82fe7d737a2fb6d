"""Analysis of models: cost in MACs, clusters of tokens, spectra."""

from .clusters import align_clusters, layer_clusters, token_clusters
from .cost import Cost, as_the_paper_counts, model_cost
from .figures import clusters_figure, spectra_figure
from .tokens import Layer, images_of_test, pick_layers, run_layers, shrunk_spectrum

__all__ = ['Cost', 'Layer', 'align_clusters', 'as_the_paper_counts', 'clusters_figure']
__all__ += ['images_of_test', 'layer_clusters', 'model_cost', 'pick_layers', 'run_layers']
__all__ += ['shrunk_spectrum', 'spectra_figure', 'token_clusters']
