"""Random subsets of ImageNet with the same share of every class."""

import pytest
from afno_mm.datasets import ImageNet
from generators.subset import subset


@pytest.fixture
def root(tmp_path):
    for name, number in (('n01', 20), ('n02', 47), ('n03', 1)):
        folder = tmp_path / 'train' / name
        folder.mkdir(parents=True)
        for i in range(number):
            (folder / f'{name}_{i}.JPEG').touch()
        (folder / 'notes.txt').touch()
    return tmp_path


def test_a_share_of_each_class_is_listed_and_read(root):
    lines = subset(root / 'train', 0.1)
    assert [line[:3] for line in lines] == ['n01'] * 2 + ['n02'] * 5 + ['n03']
    assert {line[:3]: line[-1] for line in lines} == {'n01': '0', 'n02': '1', 'n03': '2'}
    assert len(set(lines)) == len(lines)
    (root / 'meta').mkdir()
    (root / 'meta/list.txt').write_text('\n'.join(lines) + '\n')
    data = ImageNet(data_root=str(root), data_prefix='train', ann_file='meta/list.txt', audit=False)
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


def test_a_class_without_images_is_named(root):
    (root / 'train/n04').mkdir()
    with pytest.raises(FileNotFoundError, match='no images in .*/n04'):
        subset(root / 'train', 0.1)
