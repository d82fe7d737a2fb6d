"""Masks of inpainting pre-training: the cells that a random walk visits (A.2)."""

import numpy as np
from mmcv.transforms import BaseTransform

from ..registry import TRANSFORMS

GRIDS = ('token', 'pixel')
BOUNDARIES = ('clamp', 'reflect', 'wrap')
MOVES = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])


def random_walks(grid, num_steps, boundary='clamp', num_walks=1, rng=None):
    """Cells visited by random walks: uniform start, each step to one of four neighbours.

    What a step out of the grid does, which the paper leaves open, is the ``boundary``:
    'clamp', it is not taken; 'reflect', it is taken backwards; 'wrap', it enters at the
    opposite side. With 'clamp' and 'wrap' every cell is equally likely at every step; with
    'reflect' cells of the border are visited half as often.

    Args:
        grid (tuple[int, int]): Rows and columns.
        num_steps (int): Steps of each walk.
        boundary (str): Rule at the border.
        num_walks (int): Number of independent walks.
        rng (numpy.random.Generator, optional): Source of randomness.

    Returns:
        ndarray: Row and column, ``(num_walks, num_steps + 1, 2)``, the start first.

    Raises:
        ValueError: If there is no such rule.
    """
    if boundary not in BOUNDARIES:
        raise ValueError(f'boundary must be one of {list(BOUNDARIES)}, got {boundary!r}')
    rng = rng or np.random.default_rng()
    start = rng.integers(grid, size=(num_walks, 1, 2))
    steps = MOVES[rng.integers(len(MOVES), size=(num_walks, num_steps))]
    free = np.concatenate([start, steps], axis=1).cumsum(axis=1)
    return _fold(free, np.array(grid), boundary)


def _fold(position, size, boundary):
    """A free walk's positions on the grid.

    By the reflection principle a walk that keeps off the border is a free one folded there:
    on the border's edge where the step out is not taken, on the border cell where it turns back.
    """
    if boundary == 'wrap':
        return position % size
    period = 2 * size if boundary == 'clamp' else np.maximum(2 * size - 2, 1)
    position = position % period
    return np.minimum(position, period - position - (boundary == 'clamp'))


def random_walk_masks(grid, num_steps, boundary='clamp', num_walks=1, rng=None):
    """Masks ``(num_walks, rows, columns)`` that are True where :func:`random_walks` went."""
    walks = random_walks(grid, num_steps, boundary, num_walks, rng)
    masks = np.zeros((num_walks, *grid), bool)
    masks[np.arange(num_walks)[:, None], walks[..., 0], walks[..., 1]] = True
    return masks


@TRANSFORMS.register_module()
class RandomWalkMask(BaseTransform):
    """Adds ``mask``, a bool array ``(H, W)`` that is True at the pixels to fill in.

    3136 steps, the paper's number, mask 1.9 % of the 224x224 pixels, or 25 % of the 56x56
    tokens of 4x4 pixels (31 % where the walk wraps).

    Args:
        num_steps (int): Steps of the walk.
        grid (str): 'token': it walks on the grid of patches and masks whole patches;
            'pixel': on the pixels.
        patch_size (int): Side of a patch; 'pixel' does not use it.
        boundary (str): 'clamp', 'reflect' or 'wrap', see :func:`random_walks`.
        seed (int, optional): An image has the same mask whenever, and by whatever process, it is
            read: for evaluation. By default the mask is drawn from NumPy's global state, which
            MMEngine seeds for each rank and worker.
    """

    def __init__(self, num_steps=3136, grid='token', patch_size=4, boundary='clamp', seed=None):
        if grid not in GRIDS:
            raise ValueError(f'grid must be one of {list(GRIDS)}, got {grid!r}')
        self.num_steps = num_steps
        self.cell = patch_size if grid == 'token' else 1
        self.boundary = boundary
        self.seed = seed

    def transform(self, results):
        if self.seed is None:
            rng = np.random.default_rng(np.random.randint(2**31, size=4))
        else:
            rng = np.random.default_rng((self.seed, results['sample_idx']))
        height, width = results['img'].shape[:2]
        grid = -(-height // self.cell), -(-width // self.cell)
        (mask,) = random_walk_masks(grid, self.num_steps, self.boundary, rng=rng)
        mask = mask.repeat(self.cell, axis=0).repeat(self.cell, axis=1)
        results['mask'] = mask[:height, :width]
        return results

    def __repr__(self):
        return (
            f'{type(self).__name__}(num_steps={self.num_steps}, cell={self.cell}, '
            f'boundary={self.boundary!r}, seed={self.seed})'
        )
