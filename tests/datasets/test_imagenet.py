"""ImageNet's folders: what is missing is named, and a share of each class can be listed."""

import pytest
from afno_mm.datasets import ImageNet
from afno_mm.datasets.imagenet import subset


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


def test_a_share_of_each_class_is_listed_and_read(root):
    lines = subset(root / 'train', 0.1)
    assert [line[:3] for line in lines] == ['n01'] * 2 + ['n02'] * 5 + ['n03']
    assert {line[:3]: line[-1] for line in lines} == {'n01': '0', 'n02': '1', 'n03': '2'}
    assert len(set(lines)) == len(lines)
    (root / 'meta').mkdir()
    (root / 'meta/list.txt').write_text('\n'.join(lines) + '\n')
    data = read(root, ann_file='meta/list.txt')
    paths = {str(root / 'train' / line.split()[0]): int(line[-1]) for line in lines}
    assert {item['img_path']: item['gt_label'] for item in data} == paths


def test_the_choice_is_the_seed_s_and_classes_do_not_affect_each_other(root):
    train = root / 'train'
    first = subset(train, 0.1)
    (train / 'n02/n02_99.JPEG').touch()
    assert [x for x in subset(train, 0.1) if 'n01' in x] == first[:2]
    assert subset(train, 0.1, seed=1) != subset(train, 0.1)
    assert len(subset(train, 1)) == 20 + 48 + 1


def test_every_image_is_as_likely(root):
    chosen = [line.split()[0] for seed in range(400) for line in subset(root / 'train', 0.1, seed)]
    counts = [chosen.count(f'n01/n01_{i}.JPEG') for i in range(20)]
    assert min(counts) > 15 and max(counts) < 75  # 40 expected


def test_classes_of_one_size_get_their_own_choice(root):
    for i in range(20):
        (root / 'train/n03' / f'n03_{i}.JPEG').touch()
    lines = subset(root / 'train', 0.5)
    first, third = (
        {line.split('_')[1].split('.')[0] for line in lines if line.startswith(name)}
        for name in ('n01', 'n03')
    )
    assert len(first) == len(third) == 10 and first != third


def test_a_share_out_of_range_and_an_empty_folder_are_refused(root):
    with pytest.raises(ValueError, match='fraction.*10'):
        subset(root / 'train', 10)
    with pytest.raises(FileNotFoundError, match='no folders of classes'):
        subset(root / 'val', 0.1)


def test_a_missing_folder_is_named_with_what_mends_it(root):
    with pytest.raises(FileNotFoundError, match='no folder .*/val\n[^$]*data/make_images.py'):
        ImageNet(data_root=str(root), data_prefix='val')


def test_a_folder_without_images_is_named(root):
    (root / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='empty[^$]*data/make_images.py'):
        ImageNet(data_root=str(root), data_prefix='empty')


def test_a_class_without_images_is_named(root):
    (root / 'train/n04').mkdir()
    with pytest.raises(FileNotFoundError, match='1 of 4 folders in .*/train hold no image: n04\n'):
        read(root)
    with pytest.raises(FileNotFoundError, match='no images in .*/n04'):
        subset(root / 'train', 0.1)


def test_classes_that_would_be_numbered_differently_are_refused(root):
    """Else every class after the odd one would be scored as its neighbour."""
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
