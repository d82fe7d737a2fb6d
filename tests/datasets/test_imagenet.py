"""ImageNet's folders: errors name what is missing and the command that helps."""

import io

import pytest
from afno_mm.datasets import ImageNet
from PIL import Image


def jpeg():
    file = io.BytesIO()
    Image.new('RGB', (8, 8)).save(file, 'JPEG')
    return file.getvalue()


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    for name, number in (('n01', 20), ('n02', 47), ('n03', 1)):
        folder = tmp_path / 'train' / name
        folder.mkdir(parents=True)
        for i in range(number):
            (folder / f'{name}_{i}.JPEG').write_bytes(jpeg())
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
        (root / 'val' / name / 'x.JPEG').write_bytes(jpeg())
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
    (root / 'train/n01/n01_0.JPEG').write_bytes(b'')
    dataset = read(root, audit=False, pipeline=[dict(type='LoadImageFromFile')])
    with pytest.raises(RuntimeError, match='n01/n01_0.JPEG failed'):
        dataset[0]


def test_a_missing_list_is_named_with_the_tool_that_makes_it(root):
    with pytest.raises(FileNotFoundError, match='list.txt\n[^$]*data/imagenet_subset.py'):
        read(root, ann_file='meta/list.txt')


def test_a_list_of_other_images_is_refused(root):
    (root / 'list.txt').write_text('n01/n01_0.JPEG 0\nn09/n09_0.JPEG 1\n')
    with pytest.raises(
        FileNotFoundError,
        match='1 of 2 images do not exist:\n.*n09/n09_0.JPEG(.|\n)*imagenet_subset.py',
    ):
        read(root, ann_file='list.txt')


@pytest.mark.parametrize('audit', [True, False])
def test_every_image_of_a_list_must_exist(root, audit):
    lines = [f'n02/n02_{number}.JPEG 1' for number in range(47)]
    lines[31] = 'n02/gone.JPEG 1'
    (root / 'list.txt').write_text('\n'.join(lines))
    with pytest.raises(FileNotFoundError, match='1 of 47 images do not exist:\n.*n02/gone.JPEG'):
        read(root, ann_file='list.txt', audit=audit)


def test_a_list_of_absolute_paths_needs_no_prefix(root):
    (root / 'list.txt').write_text(f'{root}/train/n01/n01_3.JPEG 4\n')
    (item,) = ImageNet(ann_file=str(root / 'list.txt')).load_data_list()
    assert item == dict(img_path=f'{root}/train/n01/n01_3.JPEG', gt_label=4)


def test_a_hidden_folder_is_no_class(root):
    (root / 'train/.ipynb_checkpoints').mkdir()
    with pytest.raises(ValueError, match='would be classes: .ipynb_checkpoints\nRemove.*rm -r '):
        read(root)


def test_every_image_is_looked_at(root):
    for number in (3, 30):
        path = root / f'train/n02/n02_{number}.JPEG'
        path.write_bytes(path.read_bytes()[:-20])
    (root / 'train/n01/.ipynb_checkpoints').mkdir()
    (root / 'train/n01/.ipynb_checkpoints/n01_0.JPEG').write_bytes(jpeg())
    (root / 'train/n03/far.jpeg').symlink_to('/nowhere/far.jpeg')
    with pytest.raises(ValueError) as error:
        read(root)
    for text in (
        '2 of 70 files are not whole pictures:',
        'n02_30.JPEG is not a whole picture',
        '1 of 70 files lie in hidden folders:',
        'n01/.ipynb_checkpoints/n01_0.JPEG\n',
        '1 of 70 links lead nowhere:',
        'far.jpeg -> /nowhere/far.jpeg',
        'make_images.py',
    ):
        assert text in str(error.value)
    assert len(read(root, on_bad_file='skip', max_bad_share=0.06)) == 66
