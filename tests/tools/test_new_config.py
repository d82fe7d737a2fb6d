"""A config for a folder: what is found in it, what is guessed, and that the config works."""

import sys
from pathlib import Path

import numpy as np
import pytest
from afno_mm.analysis import model_cost
from afno_mm.analysis.data_page import check_datasets
from afno_mm.engine import check_schedule, read_config
from afno_mm.engine.one_step import one_step
from afno_mm.engine.safety import check_settings
from mmengine.config import Config
from PIL import Image
from running import REPOSITORY

SIZE = 40, 72  # height, width


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.syspath_prepend(REPOSITORY / 'tools')
    monkeypatch.chdir(tmp_path)
    return Path('mine')


def picture(path, values=None, size=SIZE):
    """Write a random image, or a mask with some values or colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(len(path.name))
    if values is None:
        pixels = random.integers(0, 255, (*size, 3), dtype=np.uint8)
    else:
        dtype = np.uint16 if max(np.ravel(values)) > 255 else np.uint8
        values = np.array(values, dtype)
        pixels = np.resize(values, (*size, 3)) if values.ndim == 2 else np.resize(values, size)
    Image.fromarray(pixels).save(path)


def masked(root, image='images/{}.jpg', mask='masks/{}.png', names='abcdefghij', values=(0, 1)):
    for name in names:
        picture(root / image.format(name))
        picture(root / mask.format(name), values)


def new_config(*arguments):
    import new_config

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', ['new_config.py', *map(str, arguments)])
        new_config.main()


def config(folder, *arguments, out='out.py'):
    new_config(folder, '--out', out, *arguments)
    cfg = read_config(out)
    check_settings(cfg)
    check_schedule(cfg)
    return cfg


def lengths(cfg):
    """Return the number of accepted samples of each dataset."""
    results = check_datasets(cfg)
    assert not any(result.refusal for result in results), results
    return {result.uses[0]: len(result.samples) for result in results}


SPLIT = dict(names='abcd'), dict(names='ef')
PAIRS = {
    'kinds above splits': [
        dict(image=f'img/{s}/{{}}.jpg', mask=f'ann/{s}/{{}}.png') for s in ('train', 'val')
    ],
    'splits above kinds': [
        dict(image=f'{s}/Images/{{}}.JPG', mask=f'{s}/Labels/{{}}.PNG')
        for s in ('Training', 'validation')
    ],
    'train and test': [
        dict(image=f'{s}/imgs/{{}}.png', mask=f'{s}/masks/{{}}.png') for s in ('train', 'test')
    ],
    'folders inside': [
        dict(image=f'leftImg8bit/{s}/x/{{}}_rgb.png', mask=f'gtFine/{s}/x/{{}}_gt_ids.png')
        for s in ('train', 'val')
    ],
    'masks inside of annotations': [
        dict(image=f'images/{s}/{{}}.jpg', mask=f'annotations/SegmentationClass/{s}/{{}}.png')
        for s in ('train', 'val')
    ],
}


@pytest.mark.parametrize('name', PAIRS)
def test_splits_in_folders_are_found(folder, name):
    for where, names in zip(PAIRS[name], SPLIT):
        masked(folder, **where, **names)
    assert lengths(config(folder)) == dict(train=4, val=2)


@pytest.mark.parametrize(
    'where',
    [
        dict(),
        dict(image='{}.jpg', mask='{}.png'),
        dict(image='{}.png', mask='{}_mask.png'),
        dict(image='JPEGImages/{}.jpg', mask='SegmentationClass/{}.png'),
        dict(image='images/one/{}.jpg', mask='masks/one/{}.tif'),
    ],
)
def test_a_folder_without_splits_is_split_by_lists(folder, where, capsys):
    masked(folder, **where)
    assert lengths(config(folder)) == dict(train=8, val=2)
    train, val = ((folder / f'splits/{s}.txt').read_text().split() for s in ('train', 'val'))
    assert len({*train} | {*val}) == 10
    assert 'splits/train.txt is new: 8 samples' in capsys.readouterr().out


def test_the_seed_makes_the_split_and_lists_stay(folder, capsys):
    masked(folder)
    splits = []
    for seed in (1, 1, 2):
        for path in folder.glob('splits/*'):
            path.unlink()
        config(folder, '--seed', seed, '--val-share', '0.4', out=f'{len(splits)}.py')
        splits.append((folder / 'splits/val.txt').read_text())
    assert splits[0] == splits[1] != splits[2] and len(splits[0].split()) == 4
    masked(folder, names='xyz')
    capsys.readouterr()
    cfg = config(folder, '--seed', 1)
    assert (folder / 'splits/val.txt').read_text() == splits[2]
    assert '3 samples are in neither list' in capsys.readouterr().out
    assert lengths(cfg) == dict(train=6, val=4)


def test_lists_of_voc_are_used_and_images_without_masks_left_out(folder, capsys):
    masked(folder, image='JPEGImages/{}.jpg', mask='SegmentationClass/{}.png')
    picture(folder / 'JPEGImages/lone.jpg')
    lists = folder / 'ImageSets/Segmentation'
    lists.mkdir(parents=True)
    (lists / 'train.txt').write_text('a\nb\nc\n')
    (lists / 'val.txt').write_text('d\n')
    assert lengths(config(folder)) == dict(train=3, val=1)
    assert '1 images in mine/JPEGImages have no mask' in capsys.readouterr().out


@pytest.mark.parametrize(
    'values, names, classes, label_map, ids',
    [
        ((0, 1, 2), '', 3, None, {0, 1, 2}),
        ((0, 2, 255), '', 3, None, {0, 2, 255}),
        ((0, 255), '', 2, {255: 1}, {0, 1}),
        ((0, 255), 'no,yes', 2, {255: 1}, {0, 1}),
        ((0, 1, 255), 'no,yes', 2, None, {0, 1, 255}),
        ((0, 1), 'a,b,c', 3, None, {0, 1}),
        ((0, 128, 255), '', 3, {128: 1, 255: 2}, {0, 1, 2}),
        ((0, 128, 255), 'no,yes', 2, {128: 1}, {0, 1, 255}),
        ((0, 100, 1000), '', 3, {100: 1, 1000: 2}, {0, 1, 2}),
        (((0, 0, 0), (128, 0, 0), (0, 128, 0)), 'a,b,c', 3, None, {0, 1, 2}),
    ],
)
def test_values_of_masks_become_classes(folder, values, names, classes, label_map, ids, capsys):
    masked(folder, values=values)
    cfg = config(folder, *(['--classes', names] if names else []))
    dataset = cfg.train_dataloader.dataset
    assert len(dataset.metainfo.classes) == len(dataset.metainfo.palette) == classes
    assert cfg.model.decode_head.num_classes == classes
    assert dataset.get('label_map') == label_map
    assert ('placeholders' in capsys.readouterr().out) == (not names)
    for result in check_datasets(cfg):
        assert not result.refusal and {*result.outcome.counts} == ids


@pytest.mark.parametrize('file', ['classes.txt', '../names.txt'])
def test_names_come_from_a_file(folder, file):
    masked(folder)
    (folder / file).write_text('free space 0 0 0\n\nthing 255 0 0\n')
    cfg = config(folder, *(['--classes', 'names.txt'] if 'names' in file else []))
    assert cfg.train_dataloader.dataset.metainfo.classes == ['free space', 'thing']


@pytest.mark.parametrize(
    'make, arguments, message',
    [
        (dict(values=(0,)), [], 'have the values 0. Wanted are two classes at least'),
        (
            dict(values=range(0, 250, 3)),
            [],
            'have 84 values: 0, 3, 6, 9, 12 and 79 more; wanted one',
        ),
        (dict(values=(0, 1, 2)), ['--classes', 'a,b'], 'values 0, 1, 2. Wanted are 2 classes'),
        (dict(mask='masks/x{}.png'), [], 'no image with a mask of its name. It has:\n  10 images'),
        (dict(names='a'), [], 'has 1 samples, 1 to train on'),
        (dict(), ['--classes', 'a,a'], '2 classes (at most 255), 1 different names'),
        (dict(), ['--model', 'resnet'], 'for segmentation there are deeplabv3plus_mobilenetv2,'),
        (dict(), ['--task', 'classification', '--classes', 'a'], '--classes names the values of'),
        (dict(), ['--task', 'inpainting', '--size', '32', '64'], 'inpainting needs a square'),
    ],
)
def test_what_does_not_fit_is_refused_with_what_was_found(folder, make, arguments, message):
    masked(folder, **make)
    with pytest.raises(SystemExit) as error:
        new_config(folder, '--out', 'out.py', *arguments)
    assert message in str(error.value) and not Path('out.py').exists()


@pytest.mark.parametrize('folders', [('photos', 'truth'), ('a/pictures', 'a/groundtruth')])
def test_folders_of_unknown_names_are_not_taken_for_classes(folder, folders):
    masked(folder, image=f'{folders[0]}/{{}}.jpg', mask=f'{folders[1]}/{{}}.png')
    with pytest.raises(SystemExit) as error:
        new_config(folder, '--out', 'out.py')
    expected = 'the folders {} and {} with the same names of files, and those in {} look like masks'
    assert expected.format(*folders, folders[1]) in str(error.value)
    assert 'mine/images/*.jpg and mine/masks/*.png' in str(error.value)


def test_masks_that_were_interpolated_are_refused(folder):
    values = [0] * 40 + [255] * 40 + [32, 96, 160, 224]
    masked(folder, values=values)
    with pytest.raises(SystemExit, match='resized with interpolation have mixed values'):
        new_config(folder, '--out', 'out.py')


@pytest.mark.parametrize('ids', [(1, 2, 3, 4, 5), (1, 2, 3, 4, 5, 255)])
def test_a_large_background_and_rare_classes_are_no_interpolation(folder, ids):
    masked(folder, values=[0] * 180 + [*ids])
    assert len(config(folder).train_dataloader.dataset.metainfo.classes) == 6


def test_a_call_that_fails_leaves_no_lists_behind(folder):
    masked(folder, values=(0, 1, 2))
    with pytest.raises(SystemExit):
        new_config(folder, '--out', 'out.py', '--classes', 'a,b')
    assert not list(folder.rglob('*.txt'))
    assert len(config(folder, '--classes', 'a,b,c').train_dataloader.dataset.metainfo.classes) == 3


@pytest.mark.parametrize(
    'task, found',
    [
        (None, 'mine has no image. It has:\n  1 ./*.txt\nWanted are images: mine/{train,val}'),
        ('segmentation', 'no image with a mask of its name'),
        ('classification', 'mine has no image. It has:\n  1 ./*.txt\nWanted is one folder'),
    ],
)
def test_a_folder_without_pictures_is_refused_with_the_wanted_layout(folder, task, found):
    folder.mkdir()
    (folder / 'notes.txt').write_text('')
    with pytest.raises(SystemExit) as error:
        new_config('mine', *(['--task', task] if task else []))
    assert found in str(error.value)


@pytest.mark.parametrize('splits', [('train', 'val'), ('',)])
def test_class_folders_make_a_classifier(folder, splits):
    for split in splits:
        for kind in ('oak', 'ash'):
            for name in 'abcde':
                picture(folder / split / kind / f'{name}.jpg')
    cfg = config(folder)
    assert cfg.model.type == 'ImageClassifier' and cfg.model.head.num_classes == 2
    number = 5 if '' not in splits else 4
    assert lengths(cfg) == dict(train=2 * number, val=10 if number == 5 else 2)
    for result in check_datasets(cfg):
        assert result.dataset.metainfo['classes'] == ['ash', 'oak']
        assert result.outcome.counts[0] == result.outcome.counts[1] > 0


@pytest.mark.parametrize('where', ['{}.png', 'train/{}.jpg', 'any/{}.jpg'])
def test_images_alone_make_an_inpainter(folder, where):
    for name in 'abcdefghij':
        picture(folder / where.format(name))
    cfg = config(folder)
    assert cfg.model.type == 'afno_mm.InpaintingModel'
    assert lengths(cfg) == dict(train=8, val=2)


@pytest.mark.parametrize(
    'size, arguments, crop, scale, mode',
    [
        ((40, 72), [], (32, 64), (72, 40), 'whole'),
        ((40, 72), ['--size', '64', '64'], (64, 64), (115, 64), 'slide'),
        ((600, 400), [], (512, 384), (400, 600), 'whole'),
        ((1500, 2000), [], (512, 512), (1024, 768), 'slide'),
    ],
)
def test_sizes_follow_the_images(folder, size, arguments, crop, scale, mode):
    for name in 'ab':
        picture(folder / f'images/{name}.jpg', size=size)
        picture(folder / f'masks/{name}.png', (0, 1), size=size)
    cfg = config(folder, *arguments)
    assert cfg.data_preprocessor.size == cfg.model.data_preprocessor.size == crop
    assert cfg.train_pipeline[2].scale == cfg.test_pipeline[1].scale == scale
    assert cfg.model.test_cfg.mode == mode and cfg.train_dataloader.batch_size == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    'task, model',
    [
        ('segmentation', 'segformer_afno_b0'),
        ('segmentation', 'swin_t'),
        ('segmentation', 'deeplabv3plus_mobilenetv2'),
        pytest.param('segmentation', 'vit_gfn_s4', marks=pytest.mark.slow),
        ('classification', 'mit_afno_b0'),
        ('inpainting', 'vit_afno_xs4'),
    ],
)
def test_the_config_takes_a_step_and_is_counted(folder, task, model):
    if task == 'segmentation':
        masked(folder)
    else:
        for name in ('x/a', 'x/b', 'y/a', 'y/b'):
            picture(folder / f'{name}.jpg')
    cfg = config(folder, '--task', task, '--model', model, '--size', 64, 64)
    result = one_step(cfg, batch_size=2)
    assert result['size'] == (64, 64)
    assert np.isfinite(result['loss']) and not result['without_gradient']
    assert model_cost(cfg, (64, 64)).parameters == result['parameters']


def test_an_existing_config_stays(folder, capsys):
    masked(folder)
    Path('mine.py').write_text('# mine')
    with pytest.raises(SystemExit):
        new_config(folder)
    assert 'mine.py exists' in capsys.readouterr().err and Path('mine.py').read_text() == '# mine'


def test_a_config_in_the_checkout_has_a_relative_base(folder, monkeypatch):
    from config_writer import write

    monkeypatch.setattr(write, 'CONFIGS', Path.cwd() / 'configs')
    (Path.cwd() / 'configs').symlink_to(REPOSITORY / 'configs')
    masked(folder)
    new_config(folder, '--out', 'sub/out.py')
    assert "_base_ = ['../configs/segformer" in Path('sub/out.py').read_text()
    assert Config.fromfile('sub/out.py').model.decode_head.num_classes == 2


def pairs(root, names='abcdefgh'):
    for name in names:
        picture(root / f'images/{name}.jpg')
        picture(root / f'masks/{name}.png', [0, 1])


def new(*arguments):
    import new_config

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', ['new_config.py', *map(str, arguments)])
        new_config.main()


def test_a_class_that_came_later_makes_old_lists_refused():
    for name in ('cat/1', 'cat/2', 'dog/1', 'dog/2'):
        picture(Path(f'pets/{name}.jpg'))
    new('pets', '--out', 'a.py')
    for number in (1, 2):
        picture(Path(f'pets/bird/{number}.jpg'))
    with pytest.raises(SystemExit, match='Remove .*train.txt'):
        new('pets', '--out', 'b.py')


def test_half_of_the_lists_is_refused_and_both_are_kept(folder):
    pairs(folder)
    new(folder, '--out', 'a.py')
    new(folder, '--out', 'b.py', '--seed', 3)
    (folder / 'splits/val.txt').unlink()
    with pytest.raises(SystemExit, match='Remove'):
        new(folder, '--out', 'c.py', '--seed', 3)


def test_pairs_in_other_folders_are_said(folder, capsys):
    pairs(folder / 'north', 'abcd')
    pairs(folder / 'south', 'efgh')
    new(folder, '--out', 'a.py')
    assert '4 images outside' in capsys.readouterr().out


@pytest.mark.parametrize('name', ["tom's cats", 'my "cats"', 'a\\b'])
def test_names_with_quotes_and_spaces(name):
    pairs(Path(name))
    new(name, '--out', 'my out.py')
    assert Config.fromfile('my out.py').data_root == name
    assert "train 'my out.py'" in Path('my out.py').read_text()


def test_long_class_names_are_not_taken_for_a_file(folder):
    pairs(folder)
    new(folder, '--out', 'a.py', '--classes', ','.join(f'class {k} {"x" * 200}' for k in '01'))


@pytest.mark.parametrize(
    'text', ['\ufeffsky\ncat\n', '# all\nsky 0 0 0\ncat 9 9 9\n', 'sky:0,0,0::\ncat:9,9,9::\n']
)
def test_a_file_of_classes_is_read_as_the_dataset_reads_it(text, folder):
    pairs(folder)
    (folder / 'classes.txt').write_text(text, encoding='utf-8')
    new(folder, '--out', 'a.py')
    assert "classes=['sky', 'cat']" in Path('a.py').read_text()


def test_colours_of_the_class_file_stay_with_their_names(folder):
    masked(folder, values=[[128, 128, 128], [0, 0, 0]])
    (folder / 'classes.txt').write_text('sky 128 128 128\nroad 0 0 0\n')
    meta = config(folder).train_dataloader.dataset.metainfo
    assert list(meta.classes) == ['sky', 'road']
    assert [tuple(c) for c in meta.palette] == [(128, 128, 128), (0, 0, 0)]


def test_many_classes_are_no_interpolation(folder):
    masked(folder, values=range(100))
    meta = config(folder).train_dataloader.dataset.metainfo
    assert len(meta.classes) == 100


@pytest.mark.parametrize('above', ['', 'data/'])
def test_a_test_folder_without_classes_is_left_out(folder, above, capsys):
    for split in ('train', 'val'):
        for name in ('cat/1', 'cat/2', 'dog/1', 'dog/2'):
            picture(folder / f'{above}{split}/{name}.jpg')
    picture(folder / f'{above}test/1.jpg')
    cfg = config(folder)
    assert list(cfg.train_dataloader.dataset.metainfo.classes) == ['cat', 'dog']
    assert '1 images in ' in capsys.readouterr().out
    assert not check_datasets(cfg)[0].refusal


@pytest.mark.parametrize('end, encoding', [('', 'utf-8-sig'), ('.jpg', 'utf-8'), ('', 'utf-16')])
def test_lists_are_read_as_the_dataset_reads_them(folder, end, encoding, capsys):
    masked(folder, names='abcd')
    (folder / 'splits').mkdir()
    for split, names in dict(train='abc', val='d').items():
        lines = ''.join(f'{name}{end}\n' for name in names)
        (folder / f'splits/{split}.txt').write_text(lines, encoding=encoding)
    cfg = config(folder)
    assert 'train.txt is kept: 3 samples' in capsys.readouterr().out
    assert [len(found.dataset) for found in check_datasets(cfg)][:2] == [3, 1]


def test_a_link_to_a_folder_above_is_no_class(folder):
    for name in ('cat/1', 'cat/2', 'dog/1', 'dog/2'):
        picture(folder / f'{name}.jpg')
    (folder / 'cat/latest').symlink_to('..')
    assert list(config(folder).train_dataloader.dataset.metainfo.classes) == ['cat', 'dog']


def test_lists_that_cannot_be_written_are_named(folder, monkeypatch):
    masked(folder)

    def refuse(*_, **__):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(Path, 'write_text', refuse)
    with pytest.raises(SystemExit, match='cannot be written: Permission denied'):
        new_config(folder, '--out', 'out.py')


@pytest.mark.parametrize('above', [['val/'], ['test/'], ['', 'valid/']])
def test_samples_to_validate_alone_are_refused(folder, above):
    for start in above:
        masked(folder, image=start + 'images/{}.jpg', mask=start + 'masks/{}.png')
    with pytest.raises(SystemExit, match='has samples in (val|test), and none in train; wanted'):
        new_config(folder, '--out', 'out.py')
    assert not Path('out.py').exists()


def test_samples_in_both_lists_are_said(folder, capsys):
    masked(folder, names='abcdef')
    for split, names in dict(train='abcd', val='cde').items():
        (folder / f'{split}.txt').write_text('\n'.join(names))
    new_config(folder, '--out', 'out.py')
    said = capsys.readouterr().out
    assert '1 samples are in neither list of mine' in said
    assert '2 samples are in both lists of mine: check' in said


def test_masks_in_jpeg_are_refused_with_few_values_too(folder):
    masked(folder, mask='masks/{}.jpg')
    for path in folder.glob('masks/*.jpg'):
        ids = np.indices((40, 72)).sum(0) > 50
        Image.fromarray(ids.astype(np.uint8) * 20).save(path)
    with pytest.raises(SystemExit, match='saved as JPEG have mixed ones'):
        new_config(folder, '--out', 'out.py')


def test_masks_in_gif_and_images_in_ppm_are_found(folder):
    masked(folder, image='images/{}.ppm', mask='masks/{}.gif')
    assert lengths(config(folder)) == dict(train=8, val=2)
    for name in ('cat/1', 'cat/2', 'dog/1', 'dog/2'):
        picture(Path(f'pets/{name}.ppm'))
    assert config(Path('pets'), out='b.py').model.type == 'ImageClassifier'


def test_labels_that_are_no_pictures_are_not_passed_over(folder):
    for name in 'abcd':
        picture(folder / f'images/train/{name}.jpg')
        picture(folder / f'labels/train/{name}.png')
        (folder / f'labels/train/{name}.png').rename(folder / f'labels/train/{name}.npy')
    with pytest.raises(SystemExit) as error:
        new_config(folder, '--out', 'out.py')
    assert '4 images/train/*.jpg\n  4 labels/train/*.npy' in str(error.value)
    assert config(folder, '--task', 'inpainting').model.type == 'afno_mm.InpaintingModel'


@pytest.mark.parametrize('names', [[], ['--classes', 'a,b']])
def test_masks_that_cannot_be_read_are_named(folder, names):
    masked(folder)
    for path in folder.glob('masks/*.png'):
        Image.open(path).convert('LA').save(path)
    with pytest.raises(SystemExit, match='images with masks in mine can be read: .*has mode LA'):
        new_config(folder, '--out', 'out.py', *names)


@pytest.mark.parametrize('given', [True, False])
def test_class_names_in_another_encoding_name_their_file(folder, given):
    masked(folder)
    file = Path('names.txt') if given else folder / 'classes.txt'
    file.write_bytes('Käse\nBrot\n'.encode('latin-1'))
    with pytest.raises(SystemExit, match=f'{file} is not text in UTF-8: .*Save it as UTF-8'):
        new_config(folder, '--out', 'out.py', *(['--classes', file] if given else []))


def test_names_of_files_in_another_encoding_are_named(folder):
    masked(folder, names=['a', 'b', 'k\udce9'])
    with pytest.raises(SystemExit) as error:
        new_config(folder, '--out', 'out.py')
    assert str(error.value) == r"the name 'k\udce9' is not text in UTF-8. Rename the file"
    assert not [*folder.glob('splits/*')]


def test_a_stray_image_beside_class_folders_is_left_out(folder, capsys):
    for name in ('cat/1', 'cat/2', 'dog/1', 'dog/2', 'overview'):
        picture(folder / f'{name}.jpg')
    cfg = config(folder)
    assert list(cfg.train_dataloader.dataset.metainfo.classes) == ['cat', 'dog']
    assert '1 images in mine have no class: left out' in capsys.readouterr().out
    assert lengths(cfg) == dict(train=2, val=2)


def test_few_images_in_folders_beside_many_others_are_no_classes(folder):
    for name in ('old/1', 'new/1', 'a', 'b', 'c'):
        picture(folder / f'{name}.jpg')
    assert config(folder).model.type == 'afno_mm.InpaintingModel'
    with pytest.raises(SystemExit, match='2 folders of classes, and 3 images outside of them'):
        new_config(folder, '--out', 'b.py', '--task', 'classification')


def test_a_folder_without_the_right_to_read_or_write_is_named(folder, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, 'Permission denied', 'mine')

    masked(folder)
    monkeypatch.setattr(Path, 'mkdir', refuse)
    with pytest.raises(SystemExit, match='Permission denied'):
        new_config(folder / 'images', '--task', 'inpainting', '--out', 'sub/out.py')
    monkeypatch.setattr('os.scandir', refuse)
    with pytest.raises(SystemExit, match="Permission denied: 'mine'"):
        new_config(folder, '--out', 'out.py')


def test_large_pictures_in_folders_of_unknown_names_are_looked_at(folder, monkeypatch):
    masked(folder, image='photos/{}.jpg', mask='truth/{}.png')
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
    with pytest.raises(SystemExit, match='those in truth look like masks'):
        new_config(folder, '--out', 'out.py')
