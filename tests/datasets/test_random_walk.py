"""Random walks: their distribution, the share of pixels they mask, and seeded masks."""

import numpy as np
import pytest
from afno_mm.datasets import RandomWalkMask
from afno_mm.datasets.random_walk import random_walk_masks, random_walks
from mmcv.transforms import Compose
from mmengine.dataset import worker_init_fn


def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize('grid', [(9, 5), (2, 3), (1, 6), (1, 1)])
@pytest.mark.parametrize('boundary', ['clamp', 'reflect', 'wrap'])
def test_stays_in_the_grid_and_moves_one_cell_at_most(grid, boundary):
    walks = random_walks(grid, 300, boundary, 20, rng())
    assert walks.shape == (20, 301, 2)
    assert (walks >= 0).all() and (walks < grid).all()
    moves = np.abs(np.diff(walks, axis=1))
    if boundary == 'wrap':
        moves = np.minimum(moves, np.array(grid) - moves)
    length = moves.sum(-1)
    assert length.max() <= 1
    # Only 'clamp' may stay in place, and only on the border. In a grid of one row or column
    # every boundary may.
    inside = ((walks[:, :-1] > 0) & (walks[:, :-1] < np.array(grid) - 1)).all(-1)
    assert (length[inside] == 1).all()
    if boundary != 'clamp' and min(grid) > 1:
        assert (length == 1).all()


@pytest.mark.parametrize(
    'boundary, corner_moves',
    [
        # Two of the four steps from the corner (0, 0) of a 4x3 grid leave it.
        ('clamp', {(0, 0): 1 / 2, (1, 0): 1 / 4, (0, 1): 1 / 4}),
        ('reflect', {(1, 0): 1 / 2, (0, 1): 1 / 2}),
        ('wrap', {(1, 0): 1 / 4, (0, 1): 1 / 4, (3, 0): 1 / 4, (0, 2): 1 / 4}),
    ],
)
def test_what_a_step_out_does(boundary, corner_moves):
    walks = random_walks((4, 3), 200, boundary, 2000, rng())
    here, there = walks[:, :-1].reshape(-1, 2), walks[:, 1:].reshape(-1, 2)
    cells, counts = np.unique(there[(here == 0).all(-1)], axis=0, return_counts=True)
    shares = {tuple(int(i) for i in c): n / counts.sum() for c, n in zip(cells, counts)}
    assert shares == pytest.approx(corner_moves, abs=0.01)


def test_start_is_uniform_and_so_is_every_step_of_clamp_and_wrap():
    for boundary in ('clamp', 'wrap'):
        walks = random_walks((3, 4), 50, boundary, 60_000, rng())
        for step in (0, 50):
            cells = walks[:, step] @ [4, 1]
            # The standard deviation of a count is 68.
            assert np.bincount(cells, minlength=12) == pytest.approx(5000, abs=300)


def test_mean_squared_displacement_is_the_number_of_steps():
    walks = random_walks((1001, 1001), 400, 'wrap', 4000, rng())
    far = (walks[:, [100, 400]] - walks[:, :1] + 500) % 1001 - 500
    assert (far**2).sum(-1).mean(0) == pytest.approx([100, 400], rel=0.06)
    assert np.abs(far.mean((0, 1))).max() < 1


@pytest.mark.parametrize(
    'side, boundary, percent',
    [(224, 'clamp', 1.9), (56, 'clamp', 25.0), (56, 'reflect', 25.6), (56, 'wrap', 30.8)],
)
def test_share_that_3136_steps_mask(side, boundary, percent):
    masks = random_walk_masks((side, side), 3136, boundary, 400, rng())
    assert 100 * masks.mean() == pytest.approx(percent, rel=0.04)


def test_mask_is_what_the_walk_visits():
    (walk,) = random_walks((6, 9), 20, 'clamp', 1, rng())
    (mask,) = random_walk_masks((6, 9), 20, 'clamp', 1, rng())
    assert {tuple(cell) for cell in walk} == set(zip(*mask.nonzero()))


@pytest.mark.parametrize('shape', [(64, 48), (30, 41)])
def test_token_masks_are_of_whole_patches(shape):
    image = dict(img=np.zeros((*shape, 3), np.uint8), sample_idx=3)
    mask = RandomWalkMask(40, patch_size=8, seed=1)(image)['mask']
    assert mask.shape == shape and mask.dtype == bool and mask.any() and not mask.all()
    rows, columns = (np.arange(n) // 8 * 8 for n in shape)
    assert (mask == mask[rows][:, columns]).all()
    pixels = RandomWalkMask(40, grid='pixel', seed=1)(image)['mask']
    assert 1 < pixels.sum() <= 41


def test_seeded_masks_depend_on_the_image_alone():
    transform = Compose([dict(type='afno_mm.RandomWalkMask', num_steps=200, seed=5)])

    def mask(index):
        return transform(dict(img=np.zeros((64, 64, 3)), sample_idx=index))['mask']

    first = [mask(i) for i in (0, 1)]
    np.random.seed(7)
    assert (mask(1) == first[1]).all() and (mask(0) == first[0]).all()
    assert (first[0] != first[1]).any()


def test_unseeded_masks_follow_the_worker_s_seed():
    transform = RandomWalkMask(200)

    def masks(worker, rank):
        worker_init_fn(worker, num_workers=2, rank=rank, seed=11)
        return np.stack([transform(dict(img=np.zeros((64, 64, 3))))['mask'] for _ in range(2)])

    drawn = {(w, r): masks(w, r) for w in (0, 1) for r in (0, 1)}
    assert (masks(1, 1) == drawn[1, 1]).all()
    different = {m.tobytes() for pair in drawn.values() for m in pair}
    assert len(different) == 8


def test_unknown_settings_are_refused():
    with pytest.raises(ValueError, match="'token', 'pixel'.*'patch'"):
        RandomWalkMask(grid='patch')
    with pytest.raises(ValueError, match="'clamp', 'reflect', 'wrap'.*'mirror'"):
        random_walks((3, 3), 3, 'mirror', 1, rng())
