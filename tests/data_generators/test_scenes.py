"""Generated street scenes: the files of Cityscapes, exact labels, fixed by the seed."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from cityscapesscripts.helpers.annotation import Annotation
from cityscapesscripts.preparation.json2instanceImg import createInstanceImage
from cityscapesscripts.preparation.json2labelImg import createLabelImage
from generators.scenes import make_scenes, render_scene
from PIL import Image

pytestmark = pytest.mark.slow

SIZE = (128, 256)
NUM_TRAIN, NUM_VAL = 24, 5


def annotation_of(polygons):
    annotation = Annotation()
    annotation.fromJsonText(json.dumps(polygons))
    return annotation


def train_ids(polygons):
    return np.asarray(createLabelImage(annotation_of(polygons), 'trainIds'))


def files_of(root):
    return sorted(p for p in Path(root).rglob('*') if p.is_file() and p.name != 'scenes.json')


def digests(root):
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files_of(root)
    }


@pytest.fixture(scope='module')
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp('scenes') / 'tree'
    assert make_scenes(root, NUM_TRAIN, NUM_VAL, SIZE) == NUM_TRAIN + NUM_VAL
    return root


@pytest.fixture(scope='module')
def train_scenes(tree):
    images = sorted((tree / 'leftImg8bit/train').rglob('*.png'))
    labels = sorted((tree / 'gtFine/train').rglob('*_labelTrainIds.png'))
    return read_pairs(images, labels)


@pytest.fixture(scope='module')
def val_scenes(tree):
    images = sorted((tree / 'leftImg8bit/val').rglob('*.png'))
    labels = sorted((tree / 'gtFine/val').rglob('*_labelTrainIds.png'))
    return read_pairs(images, labels)


def read_pairs(images, labels):
    return (
        np.stack([np.asarray(Image.open(p)) for p in images]),
        np.stack([np.asarray(Image.open(p)) for p in labels]),
    )


def test_names_are_those_of_cityscapes(tree):
    name = r'(?P<city>[a-z]+)_\d{6}_\d{6}'
    patterns = (
        re.compile(r'leftImg8bit/(train|val)/(?P<folder>[a-z]+)/' + name + r'_leftImg8bit\.png'),
        re.compile(
            r'gtFine/(train|val)/(?P<folder>[a-z]+)/'
            + name
            + r'_gtFine_(polygons\.json|(labelIds|instanceIds|color|'
            r'labelTrainIds)\.png)'
        ),
    )
    paths = [p.relative_to(tree).as_posix() for p in files_of(tree)]
    assert len(paths) == 6 * (NUM_TRAIN + NUM_VAL)
    cities = {'train': set(), 'val': set()}
    for path in paths:
        match = next(filter(None, (p.fullmatch(path) for p in patterns)), None)
        assert match, path
        assert match['city'] == match['folder']
        cities[path.split('/')[1]].add(match['city'])
    assert len(cities['train']) > 1 and cities['val']
    assert not cities['train'] & cities['val']


def test_same_files_from_any_number_of_workers_and_scenes(tree, tmp_path):
    make_scenes(tmp_path / 'other', 4, 2, SIZE, workers=2)
    everything = digests(tree)
    few = digests(tmp_path / 'other')
    assert len(few) == 6 * 6
    assert few == {name: everything[name] for name in few}


def test_seed_split_and_index_change_the_scene():
    pictures = [
        render_scene(*which, (64, 128))[0].tobytes()
        for which in ((0, 'train', 0), (0, 'train', 1), (0, 'val', 0), (1, 'train', 0))
    ]
    assert len(set(pictures)) == 4


def test_labels_are_what_cityscapesscripts_makes_of_the_polygons(tree):
    for source in sorted(tree.rglob('*_polygons.json')):
        annotation = annotation_of(json.loads(source.read_text()))
        stem = str(source)[: -len('polygons.json')]
        fresh = {
            'labelIds': createLabelImage(annotation, 'ids'),
            'labelTrainIds': createLabelImage(annotation, 'trainIds'),
            'color': createLabelImage(annotation, 'color'),
            'instanceIds': createInstanceImage(annotation, 'ids'),
        }
        for end, image in fresh.items():
            written = np.asarray(Image.open(f'{stem}{end}.png'))
            np.testing.assert_array_equal(written, np.asarray(image))
        values = np.unique(np.asarray(fresh['labelTrainIds']))
        assert set(values.tolist()) <= {*range(19), 255}
        corners = np.concatenate([o.polygon for o in annotation.objects])
        assert corners.min() >= 0
        assert (corners.max(0) < SIZE[::-1]).all()


def test_all_classes_occur(train_scenes):
    labels = train_scenes[1]
    share = np.bincount(labels.ravel(), minlength=256) / labels.size
    assert share[:19].min() > 0.001, share[:19]
    assert share[255] > 0.005
    assert 0.2 < share[0] < 0.45
    present = [(labels == k).any((1, 2)).mean() for k in range(19)]
    assert min(present) > 0.2, present


def test_picture_and_labels_agree(train_scenes):
    """Colours differ more across edges of the labels than elsewhere."""
    images, labels = train_scenes
    step = np.abs(np.diff(images.astype(int), axis=2)).sum(-1)
    edge = labels[:, :, 1:] != labels[:, :, :-1]
    assert step[edge].mean() > 4 * step[~edge].mean()


def test_an_interrupted_tree_is_completed_without_rewriting(tree, tmp_path):
    root = tmp_path / 'tree'
    shutil.copytree(tree, root)
    whole = digests(root)
    removed = files_of(root)[::17]
    for path in removed:
        path.unlink()
    times = {p: p.stat().st_mtime_ns for p in files_of(root)}
    assert make_scenes(root, NUM_TRAIN, NUM_VAL, SIZE) > 0
    assert digests(root) == whole
    assert times == {p: p.stat().st_mtime_ns for p in times}
    assert make_scenes(root, NUM_TRAIN, NUM_VAL, SIZE) == 0


@pytest.mark.parametrize('other', [dict(size=(64, 128)), dict(seed=5)])
def test_other_scenes_in_the_same_root_are_refused(tree, other):
    before = digests(tree)
    arguments = {**dict(size=SIZE, seed=0), **other}
    with pytest.raises(FileExistsError, match=r'found .* wanted .*rm -r'):
        make_scenes(tree, 1, 1, **arguments)
    assert digests(tree) == before


def test_real_cityscapes_is_refused(tmp_path):
    (tmp_path / 'leftImg8bit/train/aachen').mkdir(parents=True)
    with pytest.raises(FileExistsError, match='real Cityscapes.*make_scenes'):
        make_scenes(tmp_path, 1, 0, SIZE)
    assert not files_of(tmp_path) and not (tmp_path / 'scenes.json').exists()


@pytest.mark.parametrize(
    'wrong', [dict(size=(32, 64)), dict(size=(256,)), dict(num_train=-1), dict(workers=0)]
)
def test_wrong_arguments_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match='found .* wanted'):
        make_scenes(tmp_path / 'none', **wrong)
    assert not (tmp_path / 'none').exists()


@pytest.mark.parametrize('index', range(3))
def test_same_scene_at_two_sizes(index):
    small = train_ids(render_scene(0, 'train', index, (128, 256))[1])
    large = train_ids(render_scene(0, 'train', index, (256, 512))[1])
    resized = Image.fromarray(large).resize(small.shape[::-1], Image.NEAREST)
    assert (np.asarray(resized) == small).mean() > 0.9


def test_colour_is_not_enough(train_scenes, val_scenes):
    """Classifying by the nearest mean colour scores badly."""
    images, labels = train_scenes
    means = np.stack([images[labels == k].mean(0) for k in range(19)])
    images, labels = val_scenes
    scored = labels != 255
    colours, truth = images[scored].astype(float), labels[scored]
    distance = ((colours[:, None] - means[None]) ** 2).sum(-1)
    guess = distance.argmin(1)
    confusion = np.bincount(19 * truth + guess, minlength=361).reshape(19, 19)
    hits = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - hits
    seen = confusion.sum(1) > 0
    assert (hits[seen] / union[seen]).mean() < 0.2
    assert hits.sum() / confusion.sum() < 0.5
