"""Spectral clustering of an image's tokens (Fig. 5, A.1)."""

import warnings

import numpy as np
from scipy.optimize import linear_sum_assignment

from .tokens import Layer


def token_clusters(
    tokens: np.ndarray, num_clusters: int = 4, num_neighbors: int = 10
) -> np.ndarray:
    """Return the cluster of each token, int ``(H, W)``, for tokens ``(H, W, C)``.

    Spectral clustering links each token to its ``num_neighbors`` nearest tokens in feature space.
    Positions do not count. The defaults are the paper's.
    """
    try:
        from sklearn.cluster import SpectralClustering
    except ImportError as error:
        raise ImportError('clustering needs scikit-learn: pip install scikit-learn') from error
    height, width, channels = tokens.shape
    if height * width <= num_neighbors:
        raise ValueError(
            f'{height}x{width} tokens have no {num_neighbors} neighbours each: take '
            'an earlier stage, a larger image, or fewer neighbours'
        )
    # scikit-learn counts a token as its own first neighbour.
    model = SpectralClustering(
        num_clusters, affinity='nearest_neighbors', random_state=0, n_neighbors=num_neighbors + 1
    )
    with warnings.catch_warnings():
        # A graph in several parts is fine: each part is a cluster.
        warnings.filterwarnings('ignore', 'Graph is not fully connected')
        labels = model.fit_predict(tokens.reshape(-1, channels))
    return labels.reshape(height, width)


def align_clusters(labels: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Renumber clusters ``(H, W)`` to overlap most with the clusters ``like`` of any grid size."""
    rows, columns = (np.arange(n) * m // n for n, m in zip(labels.shape, like.shape))
    like = like[np.ix_(rows, columns)]
    count = max(labels.max(), like.max()) + 1
    overlap = np.zeros((count, count), int)
    np.add.at(overlap, (labels, like), 1)
    _, numbers = linear_sum_assignment(overlap, maximize=True)
    return numbers[labels]


def layer_clusters(
    layers: dict[int, Layer],
    first: dict[int, np.ndarray],
    num_clusters: int = 4,
    num_neighbors: int = 10,
) -> dict[int, np.ndarray]:
    """Return clusters ``(H, W)`` of the first image's tokens by layer, with aligned numbers.

    Each layer is aligned with the same layer of ``first``, the clusters of another model. If
    ``first`` does not have this layer, it is aligned with the previous layer of its own model.
    """
    clusters: dict[int, np.ndarray] = {}
    previous = None
    for number, layer in layers.items():
        tokens = layer.tokens[0].float().cpu().numpy()
        labels = token_clusters(tokens, num_clusters, num_neighbors)
        like = first.get(number, previous)
        clusters[number] = previous = labels if like is None else align_clusters(labels, like)
    return clusters
