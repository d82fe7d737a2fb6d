"""ImageNet's folders: errors name what is missing and the command that helps."""

import pytest
from afno_mm.datasets import ImageNet


@pytest.fixture
def root(tmp_path):
    for name, number in (('n01', 20), ('n02', 47), ('n03', 1)):
        folder = tmp_path / 'train' / name
        folder.mkdir(parents=True)
        for i in range(number):
            (folder / f'{name}_{i}.JPEG').touch()
        (folder / 'notes.txt').touch()
    return tmp_path


def read(root, **kwargs):
    return ImageNet(data_root=str(root), data_prefix='train', **kwargs)


def test_images_of_a_list_are_read(root):
    lines = ['n01/n01_3.JPEG 0', 'n02/n02_46.JPEG 1']
    (root / 'list.txt').write_text('\n'.join(lines) + '\n')
    found = {item['img_path']: item['gt_label'] for item in read(root, ann_file='list.txt')}
    assert found == {f'{root}/train/n01/n01_3.JPEG': 0, f'{root}/train/n02/n02_46.JPEG': 1}


def test_a_missing_folder_is_named_with_what_mends_it(root):
    with pytest.raises(FileNotFoundError, match='no folder .*/val\n[^$]*data/make_images.py'):
        ImageNet(data_root=str(root), data_prefix='val')


def test_a_folder_without_images_is_named(root):
    (root / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='empty[^$]*data/make_images.py'):
        ImageNet(data_root=str(root), data_prefix='empty')


def test_a_class_without_images_is_named(root):
    (root / 'train/n04').mkdir()
    with pytest.raises(FileNotFoundError, match='1 of 4 folders in .*/train have no image: n04\n'):
        read(root)


def test_classes_that_would_be_numbered_differently_are_refused(root):
    """Otherwise every class after the extra folder would get the wrong index."""
    for name in ('n01', 'n02', 'n03'):
        (root / 'val' / name).mkdir(parents=True)
        (root / 'val' / name / 'x.JPEG').touch()
    assert [item['gt_label'] for item in ImageNet(data_root=str(root), data_prefix='val')] == [
        0,
        1,
        2,
    ]
    (root / 'val/n02').rename(root / 'val/n00')
    for split in ('train', 'val'):
        with pytest.raises(ValueError, match='2 are in one only: .*/train/n02, .*/val/n00'):
            ImageNet(data_root=str(root), data_prefix=split)


def test_an_image_that_cannot_be_read_is_named(root):
    """OpenCV does not name an empty file."""
    dataset = read(root, pipeline=[dict(type='LoadImageFromFile')])
    with pytest.raises(RuntimeError, match='n01/n01_0.JPEG failed'):
        dataset[0]


def test_a_missing_list_is_named_with_the_tool_that_makes_it(root):
    with pytest.raises(FileNotFoundError, match='list.txt\n[^$]*data/imagenet_subset.py'):
        read(root, ann_file='meta/list.txt')


def test_a_list_of_other_images_is_refused(root):
    (root / 'list.txt').write_text('n01/n01_0.JPEG 0\nn09/n09_0.JPEG 1\n')
    with pytest.raises(FileNotFoundError, match='1 of 2 .*n09/n09_0.JPEG'):
        read(root, ann_file='list.txt')
