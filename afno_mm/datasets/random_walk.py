"""Masks for inpainting pre-training: the cells that a random walk visits (A.2)."""

import numpy as np
from mmcv.transforms import BaseTransform

from ..registry import TRANSFORMS

GRIDS = ('token', 'pixel')
BOUNDARIES = ('clamp', 'reflect', 'wrap')
MOVES = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])


def random_walks(
    grid: tuple[int, int], num_steps: int, boundary: str, num_walks: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw walks: row and column at the start and each step, (num_walks, num_steps + 1, 2).

    A walk starts at a random cell and steps to one of the four neighbours. The paper does not say
    what a step out of the grid does. ``boundary`` chooses: the walk stays where it is ('clamp'),
    takes the opposite step ('reflect'), or enters at the opposite side ('wrap'). With 'clamp' and
    'wrap' every cell is equally likely at every step. With 'reflect', a long walk visits a border
    cell half as often as an inner cell.
    """
    if boundary not in BOUNDARIES:
        raise ValueError(f'boundary must be one of {list(BOUNDARIES)}, got {boundary!r}')
    start = rng.integers(grid, size=(num_walks, 1, 2))
    steps = MOVES[rng.integers(len(MOVES), size=(num_walks, num_steps))]
    free, size = np.concatenate([start, steps], axis=1).cumsum(axis=1), np.array(grid)
    if boundary == 'wrap':
        return free % size
    # Reflection principle: a walk with a border is a free walk that is mirrored at the border.
    # 'clamp' mirrors at the outer edge of the border cells, 'reflect' at their centres.
    period = 2 * size if boundary == 'clamp' else np.maximum(2 * size - 2, 1)
    free = free % period
    return np.minimum(free, period - free - (boundary == 'clamp'))


def random_walk_masks(
    grid: tuple[int, int], num_steps: int, boundary: str, num_walks: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw masks (num_walks, rows, columns). They are True where :func:`random_walks` went."""
    walks = random_walks(grid, num_steps, boundary, num_walks, rng)
    masks = np.zeros((num_walks, *grid), bool)
    masks[np.arange(num_walks)[:, None], walks[..., 0], walks[..., 1]] = True
    return masks


@TRANSFORMS.register_module()
class RandomWalkMask(BaseTransform):
    """Add ``mask``, a bool array (H, W). It is True at the pixels that the model must fill in.

    The paper's 3136 steps mask 1.9 % of 224x224 pixels, or 25 % of 56x56 tokens of 4x4 pixels
    (31 % with ``boundary='wrap'``).

    Args:
        grid: 'token' walks on the grid of patches and masks whole patches; 'pixel' walks on
            the pixels.
        patch_size: Side of a patch in pixels, for ``grid='token'``.
        boundary: 'clamp', 'reflect' or 'wrap', see :func:`random_walks`.
        seed: Set it for evaluation: each image then has its own mask, the same in every epoch and
            process. Without it the mask comes from NumPy's global state, which MMEngine seeds
            for each rank and worker.
    """

    def __init__(
        self,
        num_steps: int = 3136,
        grid: str = 'token',
        patch_size: int = 4,
        boundary: str = 'clamp',
        seed: int | None = None,
    ) -> None:
        if grid not in GRIDS:
            raise ValueError(f'grid must be one of {list(GRIDS)}, got {grid!r}')
        if boundary not in BOUNDARIES:
            raise ValueError(f'boundary must be one of {list(BOUNDARIES)}, got {boundary!r}')
        self.num_steps = num_steps
        self.cell = patch_size if grid == 'token' else 1
        self.boundary = boundary
        self.seed = seed

    def transform(self, results: dict) -> dict:
        if self.seed is None:
            rng = np.random.default_rng(np.random.randint(2**31, size=4))
        else:
            rng = np.random.default_rng((self.seed, results['sample_idx']))
        height, width = results['img'].shape[:2]
        grid = -(-height // self.cell), -(-width // self.cell)
        (mask,) = random_walk_masks(grid, self.num_steps, self.boundary, 1, rng)
        mask = mask.repeat(self.cell, axis=0).repeat(self.cell, axis=1)
        results['mask'] = mask[:height, :width]
        return results
