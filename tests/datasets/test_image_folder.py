"""One's own images in folders of classes, in lists, or without classes."""

from types import SimpleNamespace

import pytest
from afno_mm.datasets import inspect_files
from afno_mm.engine.safety.model_settings import SettingsHook, check_class_names, check_file_names
from mmengine.registry import DATASETS, DefaultScope
from mmpretrain.models import LinearClsHead
from PIL import Image
from torch import nn

IMAGES = ['train/cat/1.JPG', 'train/cat/deep/er.webp', 'train/dog/1.tiff', 'val/cat/2.jpg']


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    for name in [*IMAGES, 'val/dog/1.png']:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (4, 2)).save(tmp_path / name)
    return tmp_path


def classifier(num_classes):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return LinearClsHead(num_classes, 8)


def build(root, **settings):
    cfg = dict(type='afno_mm.ImageFolder', data_root=str(root), data_prefix='train')
    return DATASETS.build(cfg | dict(serialize_data=False) | settings)


def found(data):
    start = len(data.data_prefix['img_path'].rstrip('/')) + 1
    return {item['img_path'][start:]: item.get('gt_label') for item in data}


@pytest.mark.parametrize(
    'settings, wanted',
    [
        ({}, {'cat/1.JPG': 0, 'cat/deep/er.webp': 0, 'dog/1.tiff': 1}),
        (dict(extensions='jpg', data_prefix='val', classes=['dog', 'cat']), {'cat/2.jpg': 1}),
        (dict(classes=['red', 'blue']), {'cat/1.JPG': 0, 'cat/deep/er.webp': 0, 'dog/1.tiff': 1}),
        (dict(with_label=False), dict.fromkeys(['cat/1.JPG', 'cat/deep/er.webp', 'dog/1.tiff'])),
        (dict(with_label=False, data_prefix='train/cat/deep'), {'er.webp': None}),
    ],
)
def test_images_are_found_below_the_folder(root, settings, wanted):
    assert found(build(root, **settings)) == wanted


@pytest.mark.parametrize('prefix', ['train', '', 'nowhere'])
@pytest.mark.parametrize('kind', ['ImageFolder', 'ImageNet'])
@pytest.mark.parametrize('data_root', ['{root}', '', '/nowhere'])
def test_a_list_of_absolute_paths_is_taken_with_any_prefix(root, prefix, kind, data_root):
    lines = [f'{root}/train/cat/1.JPG 1', f'{root}/train/cat/deep/er.webp 0', '']
    (root / 'my list.txt').write_text('\r\n'.join(lines))
    settings = dict(type=f'afno_mm.{kind}', ann_file=f'{root}/my list.txt', data_prefix=prefix)
    data = build(root, **settings | dict(data_root=data_root.format(root=root)))
    assert [(item['img_path'], item['gt_label']) for item in data] == [
        (lines[0][:-2], 1),
        (lines[1][:-2], 0),
    ]


def test_a_list_without_classes_has_one_name_in_each_line(root):
    (root / 'list.txt').write_text('dog/1.tiff\ncat/deep/er.webp\n')
    data = build(root, ann_file='list.txt', with_label=False)
    assert found(data) == {'dog/1.tiff': None, 'cat/deep/er.webp': None}


@pytest.mark.parametrize(
    'line, settings',
    [
        ('cat/1.JPG', {}),
        ('cat/1.JPG cat', {}),
        ('cat/1.JPG -1', {}),
        ('cat/1.JPG,0', {}),
        ('cat/1.JPG 2', dict(classes=['cat', 'dog'])),
    ],
)
def test_wrong_lines_of_a_list_are_named(root, line, settings):
    (root / 'list.txt').write_text(f'{line}\n')
    with pytest.raises(ValueError, match=f'lines of the list .*list.txt are wrong: {line}\n'):
        build(root, ann_file='list.txt', **settings)


@pytest.mark.parametrize('number', [4, 5, 6])
def test_a_model_of_fewer_classes_than_a_list_is_refused_with_both_numbers(root, number):
    (root / 'list.txt').write_text('cat/1.JPG 0\ndog/1.tiff 4\n')
    data, head = build(root, ann_file='list.txt'), classifier(number)
    runner = SimpleNamespace(model=nn.ModuleDict(dict(head=head)), cfg={})
    runner.test_loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=data))
    runner.test_evaluator = SimpleNamespace(metrics=[])
    if number >= 5:
        return SettingsHook().before_test(runner)
    with pytest.raises(ValueError, match='num_classes is 4, the data has at least 5 classes'):
        SettingsHook().before_test(runner)


def empty_class(root):
    (root / 'train/cow').mkdir()


def other_classes(root):
    (root / 'val/dog').rename(root / 'val/cow')


def loose_images(root):
    for name in ('cat', 'dog'):
        (root / f'train/{name}').rename(root / f'far_{name}')
    Image.new('RGB', (4, 2)).save(root / 'train/1.png')


def one_class(root):
    (root / 'train/dog').rename(root / 'dog')


@pytest.mark.parametrize(
    'change, settings, wanted',
    [
        (empty_class, {}, r'1 of 3 folders in .* have no image: cow\n[^$]*classes='),
        (other_classes, {}, r'2 are in one only: .*/train/dog, .*/val/cow\n[^$]*classes='),
        (loose_images, {}, r'no image .* in folders of .* 1 \*.png\.\n[^$]*with_label=False'),
        (one_class, {}, 'has one folder of a class only: cat'),
        (lambda root: None, dict(data_prefix=''), 'have different folders[^$]*Expected are'),
        (lambda root: None, dict(classes=['owl', 'cow', 'pig']), '3 classes, but 2 folders'),
        (lambda root: None, dict(classes=['Dog', 'Cat']), 'that classes does not name: cat, dog'),
        (
            lambda root: None,
            dict(classes=['cat', 'bird']),
            'does not name: dog; classes without a folder: bird',
        ),
        (lambda root: None, dict(data_prefix='none'), 'there is no folder .*/none'),
    ],
)  # fmt: skip
def test_folders_that_are_no_classes_are_refused(root, change, settings, wanted):
    change(root)
    with pytest.raises((FileNotFoundError, ValueError), match=wanted):
        build(root, **settings)


def test_what_is_left_out_and_never_seen_is_said(root):
    (root / 'train/notes.txt').touch()
    Image.new('RGB', (4, 2)).save(root / 'train/loose.png')
    data = build(root, classes=['cat', 'cow', 'dog'], serialize_data=True)
    samples, outcome = inspect_files(data)
    said = '\n'.join(outcome.warnings)
    assert 'extensions leaves out 1 files' in said and '1 *.txt' in said
    assert 'the layout <class>/<image> leaves out 1 files' in said
    assert '1 of 3 classes are never seen: cow' in said
    assert outcome.counts == {0: 2, 2: 1} and not data.refusal(outcome)
    assert [s.class_id for s in samples] == [0, 0, 2]


def test_bad_images_are_named_without_labels_too(root):
    (root / 'train/dog/1.tiff').write_bytes(b'')
    (root / 'train/dog/gone.png').symlink_to('/nowhere')
    with pytest.raises(ValueError, match='1 of 4 links lead nowhere:[^$]*1 of 4 files are empty:'):
        build(root, with_label=False)


@pytest.mark.parametrize('wrapper', [None, 'RepeatDataset', 'ConcatDataset'])
def test_a_wrapped_list_is_compared_with_the_model_too(root, wrapper):
    (root / 'list.txt').write_text('cat/1.JPG 0\ndog/1.tiff 4\n')
    (root / 'fewer.txt').write_text('cat/1.JPG 0\n')
    data, fewer = (build(root, ann_file=f'{name}.txt') for name in ('list', 'fewer'))
    if wrapper:
        more = dict(dataset=data, times=2) if wrapper[0] == 'R' else dict(datasets=[fewer, data])
        data = DATASETS.build(dict(type=wrapper, **more))
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=data))
    head = classifier(4)
    runner = SimpleNamespace(model=nn.ModuleDict(dict(head=head)), cfg={}, val_loop=loop)
    with pytest.raises(ValueError, match='num_classes is 4, the data has at least 5 classes'):
        SettingsHook().before_val(runner)


def test_a_train_folder_elsewhere_does_not_count(root, monkeypatch):
    (root / 'other/train/x').mkdir(parents=True)
    monkeypatch.chdir(root / 'other')
    assert len(build(root, data_root=None, data_prefix=str(root / 'train'))) == 3


def test_training_and_validation_must_number_classes_alike():
    check_class_names(['a', 'b'], ['A', 'b'])
    check_class_names(['a', 'b'], None)
    check_class_names(['a', 'b'], ['b', 'a'], allowed=['classes'])
    with pytest.raises(ValueError, match="0 is 'a' to train on and 'b' to validate"):
        check_class_names(['a', 'b'], ['b', 'a'])


def test_predictions_with_the_same_name_are_refused():
    check_file_names(['x/1.jpg', 'x/2.jpg'], 'out')
    with pytest.raises(ValueError, match='y/1.png would overwrite x/1.jpg'):
        check_file_names(['x/1.jpg', 'y/1.png'], 'out')
