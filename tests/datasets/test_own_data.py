"""A folder of one's own images and masks: what is read, and what is refused with its mend."""

import os
import re
import shutil

import numpy as np
import pytest
import torch
from afno_mm.datasets import SegDataset, inspect_files
from afno_mm.datasets.rules import colour
from afno_mm.engine.safety.model_settings import check_class_counts
from mmengine.config import Config
from mmengine.dataset import ConcatDataset
from mmengine.registry import DATASETS, DefaultScope
from mmseg.models import FCNHead
from PIL import Image

LOADERS = [dict(type='LoadImageFromFile'), dict(type='mmseg.LoadAnnotations')]
TWO = dict(classes=['sky', 'car'], palette=[[0, 0, 0], [255, 0, 0]])
IDS = np.array([[0, 1, 0, 255], [1, 0, 255, 0]], np.uint8)
NAMES = ['a', 'day 1/b.c', 'day 2/d']


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


def put(path, picture, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    picture.save(path, **options)


def make(root, mask=IDS, images='photos/{}.JPG', masks='masks/{}.png', **options):
    for name in NAMES:
        put(root / images.format(name), Image.new('RGB', (4, 2), 'red'))
        put(root / masks.format(name), mask, **options)
    return root


def build(root, images='photos', masks='masks', **settings):
    defaults = dict(type='afno_mm.SegDataset', data_root=str(root), metainfo=TWO)
    defaults |= dict(pipeline=LOADERS, serialize_data=False)  # Serialising collects garbage: slow.
    prefix = dict(img_path=images, seg_map_path=masks)
    return DATASETS.build(defaults | dict(data_prefix=prefix) | settings)


def refusal(root, **settings):
    with pytest.raises((FileNotFoundError, ValueError)) as error:
        build(root, **settings)
    return str(error.value)


def read(root, **settings):
    return build(root, **settings)[0]['gt_seg_map']


def mapped(text):
    """The label_map that a message names."""
    return eval('{' + text.split('label_map={')[1].split('}')[0] + '}')


# Names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'images, masks, settings',
    [
        ('photos/{}.JPG', 'masks/{}.png', {}),
        ('photos/{}.jpeg', 'masks/{}.PNG', {}),
        ('photos/{}.webp', 'masks/{}.tif', {}),
        ('photos/{}.Tiff', 'masks/{}.bmp', dict(seg_map_suffix='bmp')),
        ('photos/{}.jpg', 'masks/{}_mask.png', dict(seg_map_suffix='_mask.png')),
        ('a/{}_i.png', 'b/{}_m.png', dict(img_suffix='_i.png', seg_map_suffix=['_m.png'])),
        ('both/{}.jpg', 'both/{}.png', {}),
        ('both/{}.png', 'both/{}_MASK.png', dict(seg_map_suffix='_mask.png')),
        ('photos/{}.png', 'photos/masks/{}.png', {}),
        ('masks/photos/{}.png', 'masks/{}.png', {}),
    ],
)  # fmt: skip
def test_each_image_gets_the_mask_of_its_name(tmp_path, images, masks, settings):
    make(tmp_path, images=images, masks=masks)
    data = build(tmp_path, images.split('/{')[0], masks.split('/{')[0], **settings)
    found = [(item['img_path'], item['seg_map_path']) for item in data]
    root = str(tmp_path)
    assert found == [(f'{root}/{images.format(n)}', f'{root}/{masks.format(n)}') for n in NAMES]
    assert (data[0]['gt_seg_map'] == IDS).all() and not data.warnings


@pytest.mark.parametrize(
    'line',
    [
        'day 1/b.c',
        'day 1/b.c.jpg',
        'day 1/b.c.JPG day 1/b.c.png',
        'day 1/b.c.JPG,day 1/b.c.png',
        '{root}/photos/day 1/b.c.JPG',
        '{root}/photos/day 1/b.c.JPG\t{root}/masks/day 1/b.c.png',
    ],
)
def test_lists_have_names_with_or_without_suffix_or_pairs(tmp_path, line):
    make(tmp_path)
    (tmp_path / 'list.txt').write_text('\n' + line.format(root=tmp_path) + '\r\n')
    (item,) = build(tmp_path, ann_file='list.txt')
    assert item['img_path'] == f'{tmp_path}/photos/day 1/b.c.JPG'
    assert item['seg_map_path'] == f'{tmp_path}/masks/day 1/b.c.png'


def test_a_list_of_absolute_pairs_needs_no_folders(tmp_path):
    make(tmp_path)
    (tmp_path / 'list.txt').write_text(f'{tmp_path}/photos/a.JPG {tmp_path}/masks/a.png')
    assert len(build('/nowhere', ann_file=f'{tmp_path}/list.txt')) == 1


def test_a_list_may_name_images_in_hidden_folders(tmp_path):
    put(tmp_path / 'photos/.new/a.jpg', Image.new('RGB', (4, 2)))
    put(tmp_path / 'masks/.new/a.png', IDS)
    (tmp_path / 'list.txt').write_text('.new/a.jpg')
    assert len(build(tmp_path, ann_file='list.txt')) == 1


def test_faults_of_names_are_all_counted(tmp_path):
    make(tmp_path)
    put(tmp_path / 'photos/.ipynb_checkpoints/a-checkpoint.jpg', IDS)
    put(tmp_path / 'photos/a.png', IDS)
    put(tmp_path / 'masks/day 2/d.tif', IDS)
    put(tmp_path / 'photos/alone.jpg', IDS)
    put(tmp_path / 'masks/alone_too.png', IDS)
    (tmp_path / 'masks/day 1/b.c.png').unlink()
    (tmp_path / 'masks/day 1/b.c.png').symlink_to('/nowhere/b.c.png')
    (tmp_path / 'photos/gone.JPG').symlink_to('/nowhere/gone.JPG')
    (tmp_path / 'photos/zero.jpg').touch()
    (tmp_path / 'photos/._a.JPG').write_bytes(b'AppleDouble')
    (tmp_path / 'photos/Thumbs.db').write_bytes(b'')
    data = build(tmp_path, lazy_init=True)
    _, outcome = inspect_files(data)
    found = {kind: [] for kind in dict.fromkeys(fault.kind for fault in outcome.faults)}
    for fault in outcome.faults:
        found[fault.kind].append(fault.path.removeprefix(f'{tmp_path}/'))
    assert found == {
        'hidden': ['photos/.ipynb_checkpoints/a-checkpoint.jpg'],
        'twins': ['photos/a.JPG', 'photos/a.png', 'photos/day 2/d.JPG'],
        'no label': ['masks/alone.png', 'masks/gone.png', 'masks/zero.png'],
        'broken link': ['masks/day 1/b.c.png', 'photos/gone.JPG'],
        'empty': ['photos/zero.jpg'],
    }
    said = '\n'.join(outcome.warnings)
    assert 'img_suffix leaves out 1 files: 1 *.db' in said
    assert '1 labels have no image (misnamed?): ' in said and 'masks/alone_too.png' in said
    assert str(data.refusal(outcome)) == refusal(tmp_path)


@pytest.mark.parametrize(
    'settings, wanted',
    [
        (dict(images='none'), 'there is no folder .*/none\n.*data_prefix'),
        (dict(masks='none'), 'there is no folder .*/none\n.*data_prefix'),
        (dict(images='empty'), r'no image \*.jpg .*/empty has no file\.'),
        (dict(img_suffix='.bmp'), r'no image \*.bmp in .*/photos has 3 \*.JPG\.'),
        (
            dict(seg_map_suffix='.gif'),
            r'3 of 3 images have no label.* 3 \*.png\. .*end with .gif\.',
        ),
        (dict(masks='photos', seg_map_suffix='.jpg'), 'no image .* is a label by seg_map_suffix'),
        (dict(ann_file='none.txt'), 'there is no file .*/none.txt'),
        (dict(ann_file='empty.txt'), 'the file .*/empty.txt is empty'),
        (dict(ann_file='list.txt'), '1 of 1 images do not exist:\n .*/gone.jpg'),
    ],
)
def test_what_is_missing_is_named_with_what_is_there(tmp_path, settings, wanted):
    make(tmp_path)
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'empty.txt').touch()
    (tmp_path / 'list.txt').write_text('gone')
    assert re.search(wanted, refusal(tmp_path, **settings), re.DOTALL)


# Values ---------------------------------------------------------------------------------------


def as_mode(mode, values=IDS):
    if mode in ('RGB', 'RGBA'):
        table = np.zeros((256, 3), np.uint8)
        table[[1, 255]] = (255, 0, 0), (224, 224, 192)
        return Image.fromarray(table[values]).convert(mode)
    if mode == '1':
        return Image.fromarray(values % 2 * 255).convert('1')
    if mode[0] == 'I':
        return Image.fromarray(values.astype(np.int32 if mode == 'I' else np.uint16))
    picture = Image.fromarray(values)
    if mode == 'P':
        picture.putpalette(bytes(range(256)) * 3)
    return picture


@pytest.mark.parametrize('mode', ['L', 'P', '1', 'I', 'I;16', 'RGB', 'RGBA'])
def test_every_mode_is_read_as_class_ids_and_counted(tmp_path, mode):
    kind = 'tif' if mode[0] == 'I' else 'png'
    make(tmp_path, as_mode(mode), masks=f'masks/{{}}.{kind}')
    label_map = {(224, 224, 192): 255} if 'RGB' in mode else None
    wanted = IDS % 2 if mode == '1' else IDS
    data = build(tmp_path, label_map=label_map, serialize_data=mode == 'L')
    assert (data[0]['gt_seg_map'] == wanted).all() and data[0]['gt_seg_map'].dtype == np.uint8
    samples, outcome = inspect_files(data)
    values, pixels = np.unique(wanted, return_counts=True)
    assert outcome.counts == {v: 3 * n for v, n in zip(values.tolist(), pixels.tolist())}
    assert {s.mode for s in samples} == {mode} and samples[0].size == (4, 2)
    if mode == 'RGB':
        assert samples[0].values == {(0, 0, 0): 4, (255, 0, 0): 2, (224, 224, 192): 2}


@pytest.mark.parametrize(
    'mode, settings, wanted',
    [
        ('RGB', dict(metainfo=dict(classes=['sky', 'car'])), 'has mode RGB'),
        ('RGB', {}, 'has the colours [(224, 224, 192)] in 2 of 8 pixels'),
        ('LA', {}, 'has mode LA'),
        ('F', {}, 'has mode F'),
        ('P', dict(pipeline=[dict(type='LoadAnnotations', imdecode_backend='cv2')]), 'has mode P'),
    ],
)
def test_other_modes_and_colours_are_refused(tmp_path, mode, settings, wanted):
    picture = as_mode(mode) if mode in ('RGB', 'P') else Image.fromarray(IDS).convert(mode)
    text = refusal(make(tmp_path, picture, masks='masks/{}.tif'), **settings)
    assert f'a.tif {wanted}' in text and '3 of 3 labels' in text


def test_class_ids_in_all_channels_name_the_command_that_mends_them(tmp_path):
    make(tmp_path, np.stack([IDS % 2] * 3, -1))
    text = refusal(tmp_path)
    assert 'has the colours [(1, 1, 1)]' in text and 'getchannel(0)' in text


def test_a_palette_that_contradicts_the_indices_is_refused(tmp_path):
    picture = Image.fromarray(IDS % 2)
    picture.putpalette([255, 0, 0, 0, 0, 0])
    text = refusal(make(tmp_path, picture))
    assert '0 has the colour of 1, 1 has the colour of 0' in text and "convert('RGB')" in text


def paletted(root, palettes):
    """Write a mask with two colours for each palette, and its image."""
    for number, palette in enumerate(palettes):
        picture = Image.fromarray(IDS % 2 if len(palette) == 6 else IDS * 0)
        picture.putpalette(palette)
        put(root / f'photos/{number}.jpg', Image.new('RGB', (4, 2), 'red'))
        put(root / f'masks/{number}.png', picture)
    return root


def run_mend(text, line, root):
    """Run a command of a message on all masks."""
    code = re.search(rf'{line}.*\n +python -c "(.*)" LABELS', text)[1]
    masks = [*map(str, root.glob('masks/*.png'))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('sys.argv', ['-c', *masks])
        exec(code, {})


BLUE, RED, NAMED = [0, 0, 255], [255, 0, 0], dict(classes=['sea', 'fire'])


@pytest.mark.parametrize('other', [RED + BLUE, RED], ids=['two colours', 'one colour'])
def test_palettes_that_number_colours_otherwise_are_refused(tmp_path, other):
    """An editor that saves indexed pictures gives each file a palette of its own."""
    paletted(tmp_path, [BLUE + RED, BLUE + RED, other])
    text = refusal(tmp_path, metainfo=NAMED)
    assert '1 of 3 labels have colours of other classes than their indices' in text
    assert f'2.png has the colour (255, 0, 0) at 0, {tmp_path}/masks/0.png at 1' in text
    run_mend(text, 'make it the value', tmp_path)
    shown = build(tmp_path, metainfo=NAMED | dict(palette=[BLUE, RED]))[2]['gt_seg_map']
    assert (shown == (1 - IDS % 2 if len(other) == 6 else 1)).all()


def test_palettes_that_mean_nothing_can_be_left_out(tmp_path):
    paletted(tmp_path, [BLUE + RED, RED + BLUE])
    run_mend(refusal(tmp_path, metainfo=NAMED), 'leave out', tmp_path)
    assert (build(tmp_path, metainfo=NAMED)[1]['gt_seg_map'] == IDS % 2).all()


@pytest.mark.parametrize(
    'others', [[BLUE + RED], [[0, 0, 0, 1, 1, 1]], [RED + RED], [[9, 9, 9], BLUE]]
)
def test_palettes_without_contradiction_are_taken(tmp_path, others):
    build(paletted(tmp_path, [BLUE + RED, *others]), metainfo=NAMED)


@pytest.mark.parametrize(
    'values, classes, wanted',
    [
        ((0, 255), 2, {255: 1}),
        ((0, 255), 1, {255: 1}),
        ((0, 128, 255), 3, {128: 1, 255: 2}),
        ((0, 254, 255), 2, {254: 1}),
        ((1, 2), 2, {1: 0, 2: 1}),
        ((0, 1000), 2, {1000: 1}),
    ],
)
def test_values_that_are_no_class_ids_name_the_map_that_mends_them(
    tmp_path, values, classes, wanted
):
    mask = np.resize(np.array(values, np.uint16), (2, 4))
    make(tmp_path, mask if max(values) > 255 else mask.astype(np.uint8))
    meta = dict(classes=list('abc')[:classes])
    text = refusal(tmp_path, metainfo=meta, on_bad_file='skip')
    assert mapped(text) == wanted
    assert f'{values[-1]} in {3 * (mask == values[-1]).sum()} pixels' in text
    mapping = {str(k): v for k, v in wanted.items()}  # as a dumped config has it
    if classes > 1:
        found = read(tmp_path, metainfo=meta, label_map=mapping)
        assert (found == [[wanted.get(v, v) for v in row] for row in mask.tolist()]).all()


def test_values_above_255_are_mapped_before_they_would_wrap(tmp_path):
    make(tmp_path, np.array([[0, 257], [65535, 1]], np.uint16).repeat(2, 1))
    data = build(tmp_path, label_map={257: 1, 65535: 255})
    assert (data[0]['gt_seg_map'] == [[0, 0, 1, 1], [255, 255, 1, 1]]).all()


def test_sets_with_different_label_maps_are_concatenated(tmp_path):
    make(tmp_path / 'one', IDS % 2)
    make(tmp_path / 'two', IDS % 2 * 255)
    sets = [build(tmp_path / 'one'), build(tmp_path / 'two', label_map={255: 1})]
    data = ConcatDataset(sets)
    assert [(data[i]['gt_seg_map'] == IDS % 2).all() for i in (0, 3)] == [True, True]


def test_the_loader_names_a_value_that_the_audit_did_not_see(tmp_path):
    data = build(make(tmp_path), audit=False)
    put(tmp_path / 'masks/a.png', IDS + 7)
    with pytest.raises(RuntimeError, match=r'masks/a.png of mode L has the values \[6, 7, 8\]'):
        data[0]


def test_zero_can_be_ignored(tmp_path):
    make(tmp_path, IDS + (IDS < 9))
    assert (read(tmp_path, reduce_zero_label=True) == IDS).all()
    put(tmp_path / 'masks/a.png', IDS * 0)
    assert (read(tmp_path, reduce_zero_label=True) == 255).all()


def test_masks_are_read_in_every_branch_of_a_pipeline(tmp_path):
    flips = [dict(type='RandomFlip', prob=p) for p in (0.0, 1.0)]
    branches = [flips, [dict(type='LoadAnnotations')], [dict(type='PackSegInputs')]]
    steps = [LOADERS[0], dict(type='TestTimeAug', transforms=branches)]
    make(tmp_path, as_mode('RGB', IDS % 2))
    data = build(tmp_path, pipeline=Config(dict(p=steps)).p, _scope_='mmseg')
    found = [sample.gt_sem_seg.data[0].numpy() for sample in data[0]['data_samples']]
    assert [(ids == IDS % 2).all() for ids in found] == [True, True]


def test_masks_of_ignored_pixels_and_classes_never_seen_are_said(tmp_path):
    make(tmp_path, IDS % 2)
    put(tmp_path / 'masks/a.png', IDS * 0 + 255)
    _, outcome = inspect_files(build(tmp_path, metainfo=dict(classes=['sky', 'car', 'tree'])))
    assert outcome.counts == {0: 8, 1: 8, 255: 8}
    assert any('1 labels ignore every pixel: ' in text for text in outcome.warnings)
    assert any('1 of 3 classes are never seen: tree' in text for text in outcome.warnings)
    make(tmp_path, IDS * 0 + 255)
    assert 'all 3 labels ignore every pixel' in refusal(tmp_path)


def test_a_mask_of_half_its_image_s_size_is_refused(tmp_path):
    put(make(tmp_path) / 'masks/a.png', IDS[:1, :2])
    assert f'is 2x1, its image {tmp_path}/photos/a.JPG is 4x2' in refusal(tmp_path)


# Classes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'text, metainfo',
    [
        ('sky 0 0 0\nred car 255 0 0\n', None),
        ('# names\nsky:0,0,0::\nred car:255,0,0::', dict(classes='classes.txt')),
        ('\ufeffsky\r\nred car\r\n', dict(classes='classes.txt', palette='palette.txt')),
        ('sky\nred car', dict(palette=TWO['palette'])),
    ],
)
def test_classes_and_colours_come_from_files(tmp_path, text, metainfo):
    make(tmp_path)
    (tmp_path / 'classes.txt').write_text(text)
    (tmp_path / 'palette.txt').write_text('0 0 0\n255, 0, 0\n')
    data = build(tmp_path, metainfo=metainfo)
    assert list(data.metainfo['classes']) == ['sky', 'red car']
    assert [list(map(int, rgb)) for rgb in data.metainfo['palette']] == TWO['palette']
    assert data.colours == {colour(0, 0, 0): 0, colour(255, 0, 0): 1}


@pytest.mark.parametrize(
    'settings, wanted',
    [
        (dict(metainfo=None), 'there is no file *classes.txt\nName the classes'),
        (dict(metainfo=dict(classes='none.txt')), 'there is no file *none.txt'),
        (dict(metainfo=dict(classes=['a', 'a'])), '2 classes (at most 255), 1 different'),
        (dict(metainfo=TWO | dict(palette=[[0, 0, 0]])), '1 colours, 2 classes'),
        (dict(metainfo=TWO | dict(palette=[[0, 0, 0]] * 2)), 'different colours'),
        (
            dict(metainfo=TWO | dict(palette=[[0, 0, 0], [256, 0, 0]])),
            'each 0..255, got [(0, 0, 0), (256, 0, 0)]',
        ),
        (dict(label_map={255: 2}), 'label_map={255: 2} must map *0..1, 255 to ignore'),
        (dict(label_map={'car': 1}), "label_map={'car': 1} must map"),
        (dict(label_map={255: 1}, reduce_zero_label=True), 'give no reduce_zero_label'),
        (dict(label_orientation='up'), "None, 'shown' or 'stored', got 'up'"),
    ],
)
def test_wrong_settings_are_refused(tmp_path, settings, wanted):
    text = refusal(make(tmp_path), **settings)
    assert all(part in text for part in wanted.split('*')), text


@pytest.mark.parametrize('number', [1, 19])
def test_a_model_of_other_classes_is_refused_with_both_numbers(tmp_path, number):
    with DefaultScope.overwrite_default_scope('mmseg'):
        head = FCNHead(
            num_convs=0, concat_input=False, in_channels=4, channels=4, num_classes=number
        )
    model = torch.nn.ModuleDict(dict(decode_head=head))
    data = build(make(tmp_path))
    with pytest.raises(ValueError, match=f'num_classes is {number}, the data has 2 classes'):
        check_class_counts(model, data.metainfo['classes'])
    if number == 1:
        text = refusal(tmp_path, metainfo=dict(classes=['car']))
        assert 'class ids (0..0, 255 to ignore)' in text and '[1] in 2 of 8 pixels' in text


@pytest.mark.parametrize('lines', ['', 'a\nday 1/b.c', 'a.JPG a.png\n{root}/photos/a.JPG a.png'])
def test_images_without_masks_can_be_predicted(tmp_path, lines):
    (tmp_path / 'list.txt').write_text(lines.format(root=tmp_path))
    settings = dict(ann_file='list.txt') if lines else {}
    prefix = dict(img_path='photos')
    data = build(make(tmp_path), data_prefix=prefix, test_mode=True, **settings)
    assert len(data) == (2 if lines else 3)
    assert all('seg_map_path' not in item for item in data.data_list)


def test_labels_with_absolute_paths_need_no_folder(tmp_path):
    data = make(tmp_path)
    mask = tmp_path / 'masks/a.png'
    (tmp_path / 'list.txt').write_text(f'{tmp_path}/photos/a.JPG {mask}')
    found = build(data, ann_file='list.txt', data_prefix=dict(img_path='photos'))
    assert [item['seg_map_path'] for item in found.data_list] == [str(mask)]


def test_a_bad_file_whose_name_is_not_utf_8_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    pixels = np.full((64, 64, 3), 9, np.uint8)
    for folder in ('images', 'masks'):
        (tmp_path / folder).mkdir()
    for name in 'abcdefgh':
        Image.fromarray(pixels).save(tmp_path / f'images/{name}.jpg')
        Image.fromarray(np.eye(64, dtype=np.uint8)).save(tmp_path / f'masks/{name}.png')
    odd = os.fsencode(tmp_path) + b'/images/caf\xe9.jpg'
    try:
        shutil.copy(tmp_path / 'images/a.jpg', odd)
    except OSError:
        pytest.skip('this file system takes UTF-8 alone')
    dataset = SegDataset(
        data_root=str(tmp_path),
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        metainfo=dict(classes=('a', 'b')),
        on_bad_file='skip',
        max_bad_share=0.5,
    )
    assert len(dataset) == 8


def test_a_link_to_a_folder_above_is_no_endless_folder(tmp_path):
    make(tmp_path)
    for folder in ('photos', 'masks'):
        (tmp_path / folder / 'latest').symlink_to('.')
    assert len(build(tmp_path)) == len(NAMES)


def test_an_image_of_any_size_is_opened(tmp_path, monkeypatch):
    make(tmp_path)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 2)  # Pillow refuses twice as many
    assert read(tmp_path).shape == (2, 4)
    assert Image.MAX_IMAGE_PIXELS == 2


def test_floating_point_images_need_a_reader_that_keeps_them(tmp_path):
    make(tmp_path)
    for name in NAMES:
        (tmp_path / f'photos/{name}.JPG').unlink()
        put(tmp_path / f'photos/{name}.tiff', np.full((2, 4), np.inf, np.float32))
    assert "color_type='unchanged'" in refusal(tmp_path)
    pipeline = [dict(LOADERS[0], color_type='unchanged'), LOADERS[1]]
    assert build(tmp_path, pipeline=pipeline)[0]['img'].dtype == np.float32


def test_a_fault_is_looked_at_again(tmp_path, monkeypatch):
    make(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr('afno_mm.datasets.audit.open_picture', lambda data: Image.open('nothing'))
        assert 'not whole pictures' in refusal(tmp_path)
    assert len(build(tmp_path)) == len(NAMES)


def test_colours_of_left_out_classes_are_ignored(tmp_path):
    class Three(SegDataset):
        METAINFO = dict(classes=('a', 'b', 'c'), palette=[[1, 0, 0], [0, 1, 0], [0, 0, 1]])

    colours = np.array([[[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]] * 2, np.uint8)
    make(tmp_path, mask=colours)
    prefix = dict(img_path='photos', seg_map_path='masks')
    with DefaultScope.overwrite_default_scope('mmseg'):
        data = Three(
            data_root=tmp_path,  # a path object
            data_prefix=prefix,
            pipeline=LOADERS,
            metainfo=dict(classes=('c', 'a')),
        )
    assert data[0]['gt_seg_map'].tolist() == [[1, 255, 0, 0]] * 2


def test_images_without_masks_are_for_prediction(tmp_path):
    make(tmp_path)
    data = build(tmp_path, data_prefix=dict(img_path='photos'))
    assert 'gt_seg_map' not in data[0] and len(data) == len(NAMES)


@pytest.mark.parametrize('encoding', ['utf-16', 'utf-16-be', 'utf-8-sig'])
def test_lists_in_encodings_of_windows(tmp_path, encoding):
    make(tmp_path)
    mark = '\ufeff' * (encoding == 'utf-16-be')  # the other two write it themselves
    (tmp_path / 'list.txt').write_text(f'{mark}a\r\nday 1/b.c\r\n', encoding=encoding)
    assert len(build(tmp_path, ann_file='list.txt')) == 2


def test_a_list_in_another_encoding_is_named(tmp_path):
    make(tmp_path)
    (tmp_path / 'list.txt').write_text('caf\xe9', encoding='latin-1')
    assert 'list.txt is not text in UTF-8' in refusal(tmp_path, ann_file='list.txt')


@pytest.mark.parametrize(
    'text',
    ['sky 0 0 0\ncar 255 0 0', '0 0 0\tsky\n255 0 0\tcar', 'name,r,g,b\nsky,0,0,0\ncar,255,0,0'],
)
def test_class_files_of_other_programs(tmp_path, text):
    make(tmp_path)
    (tmp_path / 'classes.txt').write_text(text)
    data = build(tmp_path, metainfo={})
    assert data.metainfo['classes'] == ['sky', 'car']
    assert [tuple(c) for c in data.metainfo['palette']] == [(0, 0, 0), (255, 0, 0)]


def test_a_prefix_without_images_is_named(tmp_path):
    make(tmp_path)
    with pytest.raises(ValueError, match="data_prefix must have 'img_path'.*'img'"):
        build(tmp_path, data_prefix=dict(img='photos', ann='masks'))


def test_a_class_file_may_be_in_the_working_directory(tmp_path, monkeypatch):
    make(tmp_path / 'data')
    (tmp_path / 'names.txt').write_text('sky\ncar')
    monkeypatch.chdir(tmp_path)
    data = build(tmp_path / 'data', metainfo=dict(classes='names.txt'))
    assert data.metainfo['classes'] == ['sky', 'car']
    (tmp_path / 'data/names.txt').write_text('road\nman')  # data_root comes first
    data = build(tmp_path / 'data', metainfo=dict(classes='names.txt'))
    assert data.metainfo['classes'] == ['road', 'man']
