"""Generated parts: exact labels, fixed by the seed, in the layout of the sets."""

import hashlib
import shutil

import numpy as np
import pytest
from generators.datasetgan_sets import CAR_TO_ADE, SETS
from generators.parts import make_parts, paint_car, paint_cat, paint_face
from generators.parts.canvas import Canvas, ellipse
from mmseg.registry import DATASETS
from PIL import Image

pytestmark = pytest.mark.slow

PAINTERS = dict(faces=paint_face, cars=paint_car, cats=paint_cat)


@pytest.fixture(scope='module')
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp('parts') / 'tree'
    assert make_parts(root, num_val=4, size=64) == 16 + 16 + 30 + 3 * 4
    return root


def digests(root):
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob('*.png')
    }


def pictures(tree, name, split='train'):
    return (
        np.stack([np.array(Image.open(p)) for p in sorted(tree.glob(f'{name}/{k}/{split}/*'))])
        for k in ('images', 'labels')
    )


def test_canvas_labels_the_pixels_whose_centres_are_inside():
    size, x, y, radius = 40, 0.43, 0.52, 0.31
    draw = Canvas(size, ('ground', 'disc'), np.random.default_rng(0), lambda points: points)
    draw.part('disc', ellipse(x, y, radius, radius), np.ones(3))
    labels = draw.labels[1::3, 1::3]
    centres = (np.arange(size) + 0.5) / size
    distance = np.hypot(centres - x, centres[:, None] - y) * size - radius * size
    clear = np.abs(distance) > 0.25  # in pixels
    np.testing.assert_array_equal(labels[clear], (distance < 0)[clear])
    # The same mask paints the picture.
    np.testing.assert_array_equal(draw.image[..., 0], draw.labels)


@pytest.mark.parametrize('name', PAINTERS)
def test_same_seed_same_picture_and_at_any_size(name):
    small, large = (PAINTERS[name](np.random.default_rng(3), size)[1] for size in (64, 128))
    again = PAINTERS[name](np.random.default_rng(3), 64)
    other = PAINTERS[name](np.random.default_rng(4), 64)
    np.testing.assert_array_equal(small, again[1])
    assert (other[1] != small).mean() > 0.05
    assert (large[1::2, 1::2] == small).mean() > 0.9


@pytest.mark.parametrize('name', SETS)
def test_set_loads_and_shows_every_class(name, tree):
    dataset, num_train = SETS[name]
    for split, count in (('train', num_train), ('val', 4)):
        built = DATASETS.build(
            dict(
                type=f'afno_mm.{dataset.__name__}',
                data_root=str(tree / name),
                data_prefix=dict(img_path=f'images/{split}', seg_map_path=f'labels/{split}'),
            )
        )
        assert len(built) == count
    _, labels = pictures(tree, name)
    classes = dataset.METAINFO['classes']
    seen = [(labels == k).any((1, 2)).mean() for k in range(len(classes))]
    assert min(seen) > 0.1, dict(zip(classes, seen))


def test_ade_cars_are_the_cars_with_merged_labels(tree):
    images, labels = pictures(tree, 'cars')
    merged_images, merged = pictures(tree, 'ade_cars')
    np.testing.assert_array_equal(merged_images, images)
    np.testing.assert_array_equal(merged, np.array(CAR_TO_ADE)[labels])


@pytest.mark.parametrize(
    'name, bright, dark',
    [
        ('faces', 'sclera', 'pupil'),
        ('faces', 'teeth', 'nostril'),
        ('cars', 'license plate', 'tire'),
        ('cars', 'wheel hub', 'tire'),
        ('cats', 'whiskers', 'limbus'),
    ],
)
def test_labels_lie_on_what_they_name(name, bright, dark, tree):
    images, labels = pictures(tree, name)
    classes = SETS[name][0].METAINFO['classes']
    values = [np.median(images[labels == classes.index(part)]) for part in (bright, dark)]
    assert values[0] > 1.4 * values[1]


def test_tail_lights_are_red(tree):
    images, labels = pictures(tree, 'cars')
    red, green, _ = images[labels == 14].astype(float).mean(0)
    assert red > 1.3 * green


@pytest.mark.parametrize('name', PAINTERS)
def test_colour_is_not_enough(name, tree):
    """Classifying by the nearest mean colour scores badly."""
    classes = len(SETS[name][0].METAINFO['classes'])
    images, labels = pictures(tree, name)
    means = np.stack([images[labels == k].mean(0) for k in range(classes)])
    images, truth = pictures(tree, name, 'val')
    distance = ((images[..., None, :].astype(float) - means) ** 2).sum(-1)
    confusion = np.bincount(
        (classes * truth.astype(int) + distance.argmin(-1)).ravel(), minlength=classes**2
    ).reshape(classes, classes)
    hits = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - hits
    assert (hits / np.maximum(union, 1)).mean() < 0.15


def test_an_interrupted_tree_is_completed_without_rewriting(tree, tmp_path):
    root = tmp_path / 'tree'
    shutil.copytree(tree, root)
    whole = digests(root)
    for path in sorted(root.rglob('*.png'))[::29]:
        path.unlink()
    times = {path: path.stat().st_mtime_ns for path in root.rglob('cats/labels/*/*.png')}
    assert 0 < make_parts(root, num_val=4, size=64) < 20
    assert digests(root) == whole
    assert make_parts(root, num_train=1, num_val=5, size=64) == 3
    untouched = sum(path.stat().st_mtime_ns == time for path, time in times.items())
    assert untouched > 0.8 * len(times)


@pytest.mark.parametrize('other', [dict(size=96), dict(seed=5)])
def test_other_parts_in_the_same_root_are_refused(tree, other):
    with pytest.raises(FileExistsError, match=r'found .* wanted .*rm -r'):
        make_parts(tree, 1, 1, **{**dict(size=64), **other})


def test_the_real_sets_are_refused(tmp_path):
    (tmp_path / 'faces').mkdir()
    with pytest.raises(FileExistsError, match=r'real sets of DatasetGAN(.|\n)*make_parts.py'):
        make_parts(tmp_path)
    assert not (tmp_path / 'parts.json').exists()


@pytest.mark.parametrize('wrong', [dict(size=16), dict(num_train=-1), dict(workers=0)])
def test_wrong_arguments_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match='found .* wanted'):
        make_parts(tmp_path / 'none', **wrong)
    assert not (tmp_path / 'none').exists()
