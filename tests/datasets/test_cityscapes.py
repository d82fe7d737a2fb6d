"""Faults in a dataset stop a run before step 0 and name the command that helps."""

import shutil

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

NAMES = [('aachen', 0), ('aachen', 1), ('bern', 0)]


def stem(city, number):
    return f'{city}/{city}_{number:06d}_000019'


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A Cityscapes tree of three 8x16 images."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    rng = np.random.default_rng(0)
    for name in (stem(*n) for n in NAMES):
        image = tmp_path / f'leftImg8bit/train/{name}_leftImg8bit.png'
        label = tmp_path / f'gtFine/train/{name}_gtFine_labelTrainIds.png'
        for path in (image, label):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (8, 16, 3), dtype=np.uint8)).save(image)
        Image.fromarray(rng.choice([0, 7, 18, 255], (8, 16)).astype(np.uint8)).save(label)
    return tmp_path


def build(root, **settings):
    cfg = dict(
        type='afno_mm.CityscapesDataset',
        data_root=str(root),
        pipeline=[],
        data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
    )
    return DATASETS.build(cfg | settings)


def label(root, number=0):
    return root / f'gtFine/train/{stem(*NAMES[number])}_gtFine_labelTrainIds.png'


def test_a_good_tree_loads(root):
    assert len(build(root)) == 3


def test_missing_root_names_layout_variable_and_commands(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        build(tmp_path / 'nowhere')
    for text in (
        'nowhere/leftImg8bit/train',
        'gtFine/{train,val}/<city>',
        'csDownload',
        'CITYSCAPES_DATASET',
        'data/make_scenes.py',
    ):
        assert text in str(error.value)


def test_empty_tree(root):
    shutil.rmtree(root / 'leftImg8bit')
    (root / 'leftImg8bit/train').mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r'no image \*_leftImg8bit.png'):
        build(root)


def test_unconverted_labels_name_the_converter(root):
    for number in range(3):
        label(root, number).rename(str(label(root, number)).replace('TrainIds', 'Ids'))
    with pytest.raises(
        FileNotFoundError,
        match=(
            f'3 of 3 images have no label(.|\n)*CITYSCAPES_DATASET={root} csCreateTrainIdLabelImgs'
        ),
    ):
        build(root)


def test_one_missing_label_is_listed(root):
    label(root, 1).unlink()
    with pytest.raises(
        FileNotFoundError, match=f'1 of 3 images have no label:\n  {label(root, 1)}'
    ):
        build(root)


def test_misnamed_label_is_listed_beside_its_image(root):
    misnamed = label(root, 2).with_name('bern_000009_000019_gtFine_labelTrainIds.png')
    label(root, 2).rename(misnamed)
    with pytest.raises(
        FileNotFoundError, match=(f'{label(root, 2)}\n(.|\n)*1 labels have no image.*{misnamed}')
    ):
        build(root)


def test_label_ids_under_the_right_name(root):
    Image.fromarray(np.full((8, 16), 26, np.uint8)).save(label(root))
    with pytest.raises(
        ValueError,
        match=r'not train ids \(0..18, 255 to ignore\)(.|\n)*\[26\](.|\n)*csCreateTrainIdLabelImgs',
    ):
        build(root)


def test_label_ids_by_suffix(root):
    for number in range(3):
        path = str(label(root, number)).replace('TrainIds', 'Ids')
        Image.fromarray(np.full((8, 16), 33, np.uint8)).save(path)
    with pytest.raises(ValueError, match=r'labelIds.png has the values \[33\]'):
        build(root, seg_map_suffix='_gtFine_labelIds.png')


def test_images_without_labels_can_be_predicted(root):
    shutil.rmtree(root / 'gtFine')
    assert len(build(root, data_prefix=dict(img_path='leftImg8bit/train'), test_mode=True)) == 3
