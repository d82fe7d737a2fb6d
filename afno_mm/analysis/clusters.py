"""Spectral clustering of an image's tokens (Fig. 5, A.1)."""

import warnings

import numpy as np
from scipy.optimize import linear_sum_assignment


def token_clusters(tokens, num_clusters=4, num_neighbors=10):
    """Clusters of tokens by their k nearest neighbours, in feature space only.

    Args:
        tokens (ndarray): ``(H, W, C)``.
        num_clusters (int): 4 in the paper.
        num_neighbors (int): Others that a token is linked to; 10 in the paper.

    Returns:
        ndarray: Cluster of each token, int ``(H, W)``.

    Raises:
        ImportError: If scikit-learn is not installed.
        ValueError: If there are no more tokens than neighbours.
    """
    try:
        from sklearn.cluster import SpectralClustering
    except ImportError as error:
        raise ImportError(
            'clustering needs scikit-learn: pip install "afno-mm[analysis]", or '
            'pip install scikit-learn'
        ) from error
    height, width, channels = tokens.shape
    if height * width <= num_neighbors:
        raise ValueError(
            f'{height}x{width} tokens have no {num_neighbors} neighbours each: take '
            'an earlier stage, a larger image, or fewer neighbours'
        )
    model = SpectralClustering(
        num_clusters, affinity='nearest_neighbors', random_state=0, n_neighbors=num_neighbors + 1
    )  # It counts the token itself.
    with warnings.catch_warnings():
        # Tokens of unlike parts need not be connected: their parts are clusters, as they should.
        warnings.filterwarnings('ignore', 'Graph is not fully connected')
        labels = model.fit_predict(tokens.reshape(-1, channels))
    return labels.reshape(height, width)


def renumbered(labels, like):
    """Clusters numbered as those of another layer that they share most tokens with.

    Args:
        labels (ndarray): Clusters ``(H, W)``.
        like (ndarray): Clusters on a grid of any size.

    Returns:
        ndarray: ``(H, W)``.
    """
    rows, columns = (np.arange(n) * m // n for n, m in zip(labels.shape, like.shape))
    like = like[np.ix_(rows, columns)]
    count = max(labels.max(), like.max()) + 1
    shared = np.zeros((count, count), int)
    np.add.at(shared, (labels, like), 1)
    _, numbers = linear_sum_assignment(shared, maximize=True)
    return numbers[labels]
