"""The few-shot sets: their classes, and errors for faulty files before step 0."""

import shutil

import numpy as np
import pytest
from afno_mm import datasets
from mmseg.registry import DATASETS
from PIL import Image


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A set of three 8x8 faces."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    rng = np.random.default_rng(0)
    for name in range(3):
        for kind, picture in (
            ('images', rng.integers(0, 255, (8, 8, 3))),
            ('labels', rng.choice([0, 33, 255], (8, 8))),
        ):
            path = tmp_path / f'parts/faces/{kind}/train/{name}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture.astype(np.uint8)).save(path)
    return tmp_path / 'parts/faces'


def build(root, kind='FacesDataset'):
    return DATASETS.build(
        dict(
            type=f'afno_mm.{kind}',
            data_root=str(root),
            pipeline=[dict(type='mmseg.LoadAnnotations')],
            data_prefix=dict(img_path='images/train', seg_map_path='labels/train'),
        )
    )


def test_a_good_tree_loads(root):
    dataset = build(root)
    assert len(dataset) == 3
    np.testing.assert_array_equal(
        dataset[1]['gt_seg_map'], np.array(Image.open(root / 'labels/train/1.png'))
    )


@pytest.mark.parametrize(
    'name, classes', [('Faces', 34), ('Cars', 20), ('ADECars', 12), ('Cats', 16)]
)
def test_every_class_has_a_name_and_a_colour_of_its_own(name, classes):
    meta = getattr(datasets, f'{name}Dataset').METAINFO
    assert len(set(meta['classes'])) == len(set(meta['palette'])) == classes
    assert meta['classes'][0] == 'background'


def test_missing_root_names_layout_and_commands(root):
    with pytest.raises(FileNotFoundError) as error:
        build(root.parent / 'dogs')
    for text in (
        'parts/dogs/images/train',
        'labels/{train,val}/<name>.png',
        f'convert_datasetgan.py RELEASE {root.parent} ',
        f'make_parts.py {root.parent} ',
    ):
        assert text in str(error.value)


def test_missing_and_misnamed_labels_are_listed(root):
    label = root / 'labels/train/1.png'
    label.rename(label.with_name('one.png'))
    with pytest.raises(
        FileNotFoundError,
        match=(rf'1 of 3 images have no label(.|\n)*{label}(.|\n)*one.png(.|\n)*rm -r {root}'),
    ):
        build(root)


def test_labels_of_another_set_are_refused(root):
    with pytest.raises(
        ValueError, match=r'not class ids \(0..15, 255 to ignore\):\n.*\[33\] in 18 of 64'
    ):
        build(root, 'CatsDataset')


def test_coloured_label_is_refused(root):
    path = root / 'labels/train/2.png'
    Image.open(path).convert('RGB').point(lambda v: v + 60).save(path)
    with pytest.raises(ValueError, match=f'{path} has mode RGB\n(.|\n)*getchannel'):
        build(root)


def test_label_of_another_size_is_refused(root):
    path = root / 'labels/train/0.png'
    Image.open(path).resize((4, 8)).save(path)
    with pytest.raises(ValueError, match=f'{path} is 4x8, its image .* is 8x8'):
        build(root)


@pytest.mark.parametrize('kind', ['images', 'labels'])
@pytest.mark.parametrize('size', [0, 60])
def test_truncated_file_is_named(root, kind, size):
    path = root / kind / 'train/1.png'
    path.write_bytes(path.read_bytes()[:size])
    found = 'is not a whole picture' if size else '\nRemove'
    with pytest.raises(ValueError, match=f'{path} ?{found}'):
        build(root)


def test_images_without_labels_can_be_predicted(root):
    shutil.rmtree(root / 'labels')
    assert (
        len(
            DATASETS.build(
                dict(
                    type='afno_mm.FacesDataset',
                    data_root=str(root),
                    test_mode=True,
                    pipeline=[],
                    data_prefix=dict(img_path='images/train'),
                )
            )
        )
        == 3
    )
