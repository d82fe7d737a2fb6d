"""Every file is looked at before step 0, once: all faults are counted, the first ones named."""

import io
import json
import multiprocessing
import os
import socket
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from afno_mm.datasets import CatsDataset, audit, checked
from afno_mm.datasets.rules import Rules
from mmcv.transforms import LoadImageFromFile
from mmengine import dist
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image

LOADERS = [dict(type='LoadImageFromFile'), dict(type='mmseg.LoadAnnotations')]


def encode(picture, **options):
    file = io.BytesIO()
    picture.save(file, **dict(format='PNG') | options)
    return file.getvalue()


def grey(*values, size=(16, 8), dtype=np.uint8):
    return Image.fromarray(np.resize(np.array(values, dtype), size[::-1]))


IMAGE, LABEL = encode(Image.new('RGB', (16, 8), 'red')), encode(grey(0, 1, 15, 255))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path / 'cache/afno_mm/audit'


@pytest.fixture
def warnings(monkeypatch):
    said = []
    monkeypatch.setattr(checked, 'print_log', lambda text, **_: said.append(text))
    return said


def make(root, number, image=IMAGE, label=LABEL):
    for index in range(number):
        put(root, 'images', index, image)
        put(root, 'labels', index, label)
    return root


def file(root, kind, index):
    return root / f'cats/{kind}/{index:04d}.png'


def put(root, kind, index, data):
    path = file(root, kind, index)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    return path


def build(root, pipeline=LOADERS, **settings):
    prefix = dict(img_path='images', seg_map_path='labels')
    settings = dict(data_root=f'{root}/cats', data_prefix=prefix, pipeline=pipeline) | settings
    return CatsDataset(**settings)


def refusal(root, **settings):
    with pytest.raises((FileNotFoundError, ValueError)) as error:
        build(root, **settings)
    return str(error.value)


@pytest.fixture(scope='module')
def ten_faults(tmp_path_factory):
    """Ten kinds of faults in 1001 samples."""
    root = make(tmp_path_factory.mktemp('ten_faults'), 1000)
    put(root, 'images', 7, b'')
    put(root, 'images', 123, IMAGE[:-4])
    put(root, 'labels', 200, LABEL[:40] + bytes(len(LABEL) - 40))
    put(root, 'images', 333, b'<html>404</html>')
    file(root, 'labels', 444).unlink()
    file(root, 'labels', 555).unlink()
    file(root, 'labels', 555).symlink_to('/nowhere/555.png')
    put(root, 'labels', 666, encode(grey(16, 0, 200)))
    put(root, 'labels', 777, encode(grey(0, 1, size=(8, 4))))
    put(root, 'labels', 888, encode(Image.new('RGB', (16, 8))))
    (root / 'cats/images/gone.png').symlink_to('/nowhere/gone.png')
    hidden = root / 'cats/images/.ipynb_checkpoints/0001-checkpoint.png'
    hidden.parent.mkdir()
    hidden.write_bytes(IMAGE)
    return root


def test_ten_kinds_of_faults_in_one_percent_of_the_samples_are_all_named(ten_faults):
    text = refusal(ten_faults)
    for wanted in (
        '1 of 1002 files lie in hidden folders:\n  *.ipynb_checkpoints/0001-checkpoint.png',
        '2 of 1002 images have no label:\n  *0444.png*\n  *gone.png',
        '2 of 1002 links lead nowhere:\n  *0555.png -> /nowhere*\n  *gone.png -> /nowhere/gone.png',
        '1 of 1002 files are empty:\n  *images/0007.png',
        '3 of 1002 files are not whole pictures:\n  *0123.png is*\n  *labels/0200.png*\n  *0333',
        '1 of 1002 labels do not hold one class id per pixel:\n  *0888.png has mode RGB',
        '1 of 1002 labels differ in size*:\n  *0777.png is 8x4, its image *0777.png is 16x8',
        '1 of 1002 labels have values * class ids (0..15, 255 to ignore):\n  *0666.png *[16, 200]',
        'make_parts.py',
        "on_bad_file='skip'",
    ):
        at = 0
        for part in wanted.split('*'):
            assert part in text[at:], wanted
            at = text.index(part, at) + len(part)


def test_skipped_samples_leave_the_list_and_are_listed(ten_faults, warnings):
    data = build(ten_faults, on_bad_file='skip', max_bad_share=0.02)
    assert len(data) == 1002 - 11
    assert not any('0888' in data.get_data_info(i)['img_path'] for i in range(len(data)))
    (text,) = (text for text in warnings if 'left out' in text)
    assert '11 of 1002 samples are bad' in text and '3 of 1002 files are not whole' in text
    path = text.split('All of them: ')[1]
    assert len(open(path).read().splitlines()) == 12
    assert path.endswith('-images.txt')  # each split has a list of its own


def test_more_bad_samples_than_the_bound_stop_the_run(ten_faults):
    assert 'at most max_bad_share=0.005' in refusal(
        ten_faults, on_bad_file='skip', max_bad_share=0.005
    )


def test_a_sample_with_two_faults_is_one_bad_sample(tmp_path):
    make(tmp_path, 4)
    put(tmp_path, 'images', 1, b'')
    put(tmp_path, 'labels', 1, b'')
    assert len(build(tmp_path, on_bad_file='skip', max_bad_share=0.25)) == 3


def test_two_wrong_labels_of_200_are_named(tmp_path):
    make(tmp_path, 200)
    for index in (77, 130):
        put(tmp_path, 'labels', index, encode(grey(26)))
    assert '2 of 200 labels have values that are not class ids' in refusal(tmp_path)


def test_more_than_five_faults_are_counted(tmp_path):
    make(tmp_path, 9, label=encode(grey(77)))
    text = refusal(tmp_path)
    assert '9 of 9 labels have values' in text and text.count('[77]') == 5 and '\n  ...\n' in text


def test_the_second_start_looks_at_changed_files_only(tmp_path, monkeypatch):
    build(make(tmp_path, 5))
    looked, look = [], audit.look
    monkeypatch.setattr(audit, 'look', lambda path, *rest: looked.append(path) or look(path, *rest))
    build(tmp_path)
    assert not looked
    path = put(tmp_path, 'labels', 3, encode(grey(99)))
    assert '1 of 5 labels have values' in refusal(tmp_path) and looked == [str(path)]
    assert '1 of 5 labels have values' in refusal(tmp_path) and looked == [str(path)]
    put(tmp_path, 'labels', 3, LABEL)
    os.utime(path, ns=(0, 0))
    build(tmp_path)
    assert looked == [str(path)] * 2


def test_other_settings_judge_remembered_files_anew(tmp_path):
    build(make(tmp_path, 3))
    assert '3 of 3 labels have values' in refusal(tmp_path, ignore_index=254)
    assert len(build(tmp_path, metainfo=dict(classes=CatsDataset.METAINFO['classes'][:3]))) == 3


def test_a_start_that_was_stopped_keeps_what_it_found(tmp_path, monkeypatch):
    make(tmp_path, 2)
    last, look = str(file(tmp_path, 'labels', 1)), audit.look

    def stop(path, *rest):
        if path == last:
            raise MemoryError
        return look(path, *rest)

    monkeypatch.setattr(audit, 'look', stop)
    with pytest.raises(MemoryError):
        build(tmp_path)
    looked = []
    monkeypatch.setattr(audit, 'look', lambda path, *rest: looked.append(path) or look(path, *rest))
    build(tmp_path)
    assert looked == [last]


def test_a_picture_is_remembered_as_an_image_and_as_a_label(tmp_path):
    build(make(tmp_path, 1, encode(grey(99))))
    text = refusal(tmp_path, data_prefix=dict(img_path='labels', seg_map_path='images'))
    assert '1 of 1 labels have values' in text


def test_roots_of_the_same_name_have_memories_of_their_own(tmp_path, cache):
    for root in ('a', 'b'):
        build(make(tmp_path / root, 1))
    assert len([*cache.glob('cats-*.json')]) == 2


def test_a_damaged_memory_is_replaced(tmp_path, cache):
    build(make(tmp_path, 3))
    (path,) = cache.glob('*.json')
    path.write_text(path.read_text()[:50])
    build(tmp_path)
    assert len(json.loads(path.read_text())['facts']) == 6
    assert [p.name for p in cache.iterdir()] == [path.name]


def test_no_cache_is_needed(tmp_path, monkeypatch, warnings):
    monkeypatch.setenv('XDG_CACHE_HOME', '/dev/null/no')
    put(make(tmp_path, 3), 'labels', 1, b'')
    assert '1 of 3 files are empty' in refusal(tmp_path)
    assert len(build(tmp_path, on_bad_file='skip', max_bad_share=0.5)) == 2
    assert 'labels/0001.png' in warnings[-1].split('All of them')[1]


def test_files_that_are_not_used_are_not_looked_at(tmp_path):
    put(make(tmp_path, 4), 'labels', 3, b'')
    assert len(build(tmp_path, indices=[0, 2])) == 2
    assert '1 of 1 files are empty' in refusal(tmp_path, indices=[3])
    lazy = build(tmp_path, lazy_init=True)
    with pytest.raises(ValueError, match='1 of 4 files are empty'):
        len(lazy)


@pytest.mark.parametrize('switch', ['argument', 'environment'])
def test_the_look_into_files_can_be_switched_off(tmp_path, monkeypatch, switch):
    put(make(tmp_path, 3), 'labels', 1, b'')
    if switch == 'environment':
        monkeypatch.setenv('AFNO_MM_AUDIT', '0')
    settings = dict(audit=False) if switch == 'argument' else {}
    assert len(build(tmp_path, **settings)) == 3
    file(tmp_path, 'labels', 1).unlink()
    assert '1 of 3 images have no label' in refusal(tmp_path, **settings)


# Labels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize('mode', ['L', 'P', '1', 'I', 'I;16'])
def test_label_modes_that_are_taken_are_read_as_the_values_seen(tmp_path, mode):
    label = grey(0, 1)
    if mode == 'P':
        label.putpalette(bytes(range(255, -1, -1)) * 3)
    elif mode == '1':
        label = label.point(lambda v: v * 255, '1')
    elif mode != 'L':
        label = grey(0, 1, dtype=np.int32 if mode == 'I' else np.uint16)
    assert label.mode == mode
    make(tmp_path, 1, label=encode(label, format='TIFF' if mode == 'I' else 'PNG'))
    path = file(tmp_path, 'labels', 0)
    facts = audit.look(str(path), True)
    assert facts | dict(colours=[]) == dict(
        size=[16, 8], mode=mode, values=[0, 1], counts=[64, 64], colours=[]
    )
    assert {*np.unique(build(tmp_path)[0]['gt_seg_map'])} == {0, 1}


@pytest.mark.parametrize('mode', ['RGB', 'RGBA', 'LA'])
def test_colour_labels_are_refused(tmp_path, mode):
    make(tmp_path, 2, label=encode(grey(0, 1).convert(mode)))
    assert f'has mode {mode}\n' in refusal(tmp_path)


@pytest.mark.parametrize(
    'values, palette, fits',
    [
        ((0, 1), 'green blue', True),  # a new colour
        ((0, 2), 'green any red', True),  # a new index
        ((0, 1), 'red green', False),
    ],
)
def test_palettes_of_two_labels_are_compared(tmp_path, values, palette, fits):
    make(tmp_path, 2)
    for index, (used, colours) in enumerate([((0, 1), 'green red'), (values, palette)]):
        label = grey(*used)
        shades = dict(red=[255, 0, 0], green=[0, 255, 0], blue=[0, 0, 255], any=[9, 9, 9])
        label.putpalette(sum((shades[name] for name in colours.split()), []))
        put(tmp_path, 'labels', index, encode(label))
    if fits:
        assert len(build(tmp_path)) == 2
    else:
        assert 'has the colour' in refusal(tmp_path)


def test_opencv_reads_palettes_as_colours(tmp_path):
    label = grey(0, 1)
    label.putpalette(bytes(range(256)) * 3)
    loaders = [LOADERS[0], dict(LOADERS[1], imdecode_backend='cv2')]
    assert 'has mode P' in refusal(make(tmp_path, 1, label=encode(label)), pipeline=loaders)


def test_values_above_255_do_not_wrap(tmp_path):
    label = encode(grey(0, 257, dtype=np.uint16))
    assert 'has the values [257]' in refusal(make(tmp_path, 1, label=label))


def test_masks_of_0_and_255_name_the_command_that_mends_them(tmp_path):
    make(tmp_path, 3, label=encode(grey(0, 255)))
    text = refusal(tmp_path, on_bad_file='skip', max_bad_share=1)
    assert 'all 3 labels hold 0 and 255 alone' in text
    command = text.split('python -c "')[1].split('"')[0]
    paths = [str(file(tmp_path, 'labels', i)) for i in range(3)]
    exec(command.replace('sys.argv[1:]', repr(paths)))
    assert len(build(tmp_path)) == 3
    assert audit.look(paths[0], True)['values'] == [0, 1]


def test_labels_that_ignore_every_pixel_are_said(tmp_path, warnings):
    put(make(tmp_path, 3), 'labels', 1, encode(grey(255)))
    build(tmp_path)
    assert '1 labels ignore every pixel: ' in warnings[0] and 'labels/0001.png' in warnings[0]
    make(tmp_path, 3, label=encode(grey(255)))
    assert 'all 3 labels ignore every pixel' in refusal(tmp_path)


@pytest.mark.parametrize(
    'settings',
    [
        {},
        dict(ignore_index=254),
        dict(reduce_zero_label=True),
        dict(num_classes=2, label_map={255: 1}),
        dict(num_classes=2, label_map={0: 1, 1: 255, 2: 0}),
    ],
)
def test_valid_values_are_those_that_load_annotations_maps_to_classes(settings):
    rules = Rules(**dict(num_classes=19) | settings)
    values = np.arange(256, dtype=np.uint8)[None]
    result = dict(seg_map_path='', seg_fields=[], reduce_zero_label=rules.reduce_zero_label) | dict(
        label_map=rules.label_map
    )
    loader = LoadAnnotations()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('mmengine.fileio.get', lambda *_, **__: encode(Image.fromarray(values)))
        loader._load_seg_map(result)
    read = result['gt_seg_map'].ravel().tolist()
    taken = [v for v in range(256) if read[v] < rules.num_classes or read[v] == rules.ignore_index]
    assert [v for v in range(256) if rules.class_of(v) is not None] == taken


def test_without_a_number_of_classes_a_value_must_still_fit_in_8_bits():
    """300 would become class 44."""
    rules = Rules(num_classes=None, label_loader='mask')
    assert rules.class_of(254) == 254
    assert rules.class_of(300) is None and rules.class_of(-1) is None
    assert Rules(num_classes=2, ignore_index=-1).class_of(-1) is None  # would become 255


# Images ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize('colour', ['color', 'color_ignore_orientation', 'unchanged'])
@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
@pytest.mark.parametrize('follows', ['turned', 'stored'])
@pytest.mark.parametrize('kind', ['PNG', 'JPEG'])
def test_an_image_turned_by_exif_must_fit_its_label_as_it_is_read(
    tmp_path, colour, backend, follows, kind
):
    exif = Image.Exif()
    exif[audit.EXIF_ORIENTATION] = 6
    image = encode(Image.new('RGB', (16, 8)), format=kind, exif=exif)
    size = (8, 16) if follows == 'turned' else (16, 8)
    make(tmp_path, 1, image, encode(grey(0, 1, size=size)))
    loader = dict(LOADERS[0], color_type=colour, imdecode_backend=backend)
    settings = {k: v for k, v in loader.items() if k != 'type'}
    path = str(file(tmp_path, 'images', 0))
    read = LoadImageFromFile(**settings)(dict(img_path=path))['img'].shape[:2]
    if read == size[::-1]:
        assert len(build(tmp_path, pipeline=[loader, LOADERS[1]])) == 1
    else:
        text = refusal(tmp_path, pipeline=[loader, LOADERS[1]])
        assert 'only if EXIF is treated otherwise' in text
        assert 'color_ignore_orientation' in text and f'is {read[1]}x{read[0]} as it is' in text


def test_turbojpeg_does_not_turn_images(tmp_path):
    exif = Image.Exif()
    exif[audit.EXIF_ORIENTATION] = 6
    make(tmp_path, 1, encode(Image.new('RGB', (16, 8)), format='JPEG', exif=exif))
    loader = dict(LOADERS[0], imdecode_backend='turbojpeg')
    assert len(build(tmp_path, pipeline=[loader, LOADERS[1]])) == 1


@pytest.mark.parametrize('data', [b'XX**garbage', b'II*\0', b'MM\0*\0\0\0\x08\0\x01\x01\x12'])
def test_damaged_exif_data_do_not_matter(tmp_path, data):
    image = encode(Image.new('RGB', (16, 8)), format='JPEG', exif=b'Exif\0\0' + data)
    assert build(make(tmp_path, 1, image))[0]['img'].shape == (8, 16, 3)


@pytest.mark.parametrize('kind', ['JPEG', 'TIFF'])
def test_an_orientation_that_keeps_the_size_needs_a_setting(tmp_path, kind):
    """OpenCV does not turn a TIFF: there labels of the stored pixels fit."""
    exif = Image.Exif()
    exif[audit.EXIF_ORIENTATION] = 3
    make(tmp_path, 1, encode(Image.new('RGB', (16, 8)), format=kind, exif=exif))
    text = refusal(tmp_path)
    assert '1 of 1 images have an EXIF orientation that keeps their size' in text
    assert "label_orientation='shown' or 'stored'" in text
    fits, other = ('shown', 'stored') if kind == 'JPEG' else ('stored', 'shown')
    assert len(build(tmp_path, label_orientation=fits)) == 1
    assert 'only if EXIF is treated otherwise' in refusal(tmp_path, label_orientation=other)


@pytest.mark.parametrize('kind', ['PNG', 'TIFF'])
def test_a_label_with_an_orientation_of_its_own_is_refused(tmp_path, kind):
    exif = Image.Exif()
    exif[audit.EXIF_ORIENTATION] = 3
    text = refusal(make(tmp_path, 1, label=encode(grey(0, 1), format=kind, exif=exif)))
    assert '1 of 1 labels have an EXIF orientation, which nothing reads' in text
    command = text.split('python -c "')[1].split('"')[0]
    exec(command.replace('sys.argv[1:]', repr([str(file(tmp_path, 'labels', 0))])), {})
    assert len(build(tmp_path)) == 1


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['PNG', 'TIFF'])
@pytest.mark.parametrize('channels', [1, 3])
def test_16_bit_images_are_said_with_the_way_to_read_them(tmp_path, warnings, kind, channels):
    pixels = np.resize(np.array([0, 4095], np.uint16), (8, 16, channels))
    image = cv2.imencode({'PNG': '.png', 'TIFF': '.tif'}[kind], pixels)[1].tobytes()
    make(tmp_path, 1, image)
    assert build(tmp_path)[0]['img'].max() in (15, 16)
    assert '1 images have 16 bits' in warnings[0] and '0000.png (up to 4095)' in warnings[0]
    loader = warnings.pop(0).split('Put ')[1].split(' in its place')[0]
    assert build(tmp_path, pipeline=[eval(loader), LOADERS[1]])[0]['img'].max() == 255
    assert not any('16 bits' in text for text in warnings)


def test_the_largest_value_of_all_16_bit_images_is_named(tmp_path, warnings):
    make(tmp_path, 2, encode(grey(0, 300, dtype=np.uint16)))
    put(tmp_path, 'images', 1, encode(grey(0, 4095, dtype=np.uint16)))
    build(tmp_path)
    assert '2 images have 16 bits' in warnings[0] and 'max_value=4095' in warnings[0]


def test_values_above_the_largest_do_not_wrap(tmp_path):
    make(tmp_path, 1, encode(grey(0, 4095, dtype=np.uint16)))
    loader = dict(type='afno_mm.LoadDeepImage', max_value=2000)
    assert {*np.unique(build(tmp_path, pipeline=[loader, LOADERS[1]])[0]['img'])} == {0, 255}


def test_8_bit_images_among_16_bit_images_are_said(tmp_path, warnings):
    make(tmp_path, 2, encode(grey(0, 4095, dtype=np.uint16)))
    put(tmp_path, 'images', 1, IMAGE)
    loader = dict(type='afno_mm.LoadDeepImage', max_value=4095)
    build(tmp_path, pipeline=[loader, LOADERS[1]])
    assert '1 images have 8 bits, others have 16' in warnings[0] and '0001.png' in warnings[0]


def test_images_that_opencv_cannot_read_are_refused_until_it_can(tmp_path, monkeypatch):
    make(tmp_path, 1, encode(grey(0.5, dtype=np.float32), format='TIFF'))
    assert '1 of 1 images cannot be read by OpenCV:\n' in refusal(tmp_path)
    monkeypatch.setattr(audit, 'look', lambda *_: dict(size=[16, 8]))  # of another OpenCV
    assert len(build(tmp_path)) == 1


# Names ----------------------------------------------------------------------------------------


def test_suffixes_in_another_case_are_taken(tmp_path):
    make(tmp_path, 3)
    for kind in ('images', 'labels'):
        file(tmp_path, kind, 2).rename(file(tmp_path, kind, 2).with_suffix('.PNG'))
    assert len(build(tmp_path)) == len(build(tmp_path, img_suffix='.PNG')) == 3
    assert 'images has 2 *.png, 1 *.PNG.' in refusal(tmp_path, img_suffix='.jpg')


def test_a_link_to_a_folder_above_is_not_followed(tmp_path):
    folder = tmp_path / 'a/b'
    folder.mkdir(parents=True)
    (folder / 'x.png').touch()
    (folder / 'loop').symlink_to(tmp_path)
    assert audit.list_files(str(tmp_path)) == ['a/b/x.png']


def test_an_empty_folder_is_said(tmp_path):
    make(tmp_path, 1)
    file(tmp_path, 'images', 0).unlink()
    assert 'cats/images has no file.' in refusal(tmp_path)


# Many processes, and progress -----------------------------------------------------------------


def _rank(root, rank):
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
    import torch.distributed

    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{root}/store', rank=rank, world_size=2
    )
    looked, look = [], audit.look
    audit.look = lambda path, *rest: looked.append(path) or look(path, *rest)
    try:
        build(root)
    except ValueError as error:
        (root / f'rank{rank}.json').write_text(json.dumps([len(looked), str(error)]))


def test_one_process_looks_for_all_and_all_refuse(tmp_path):
    put(make(tmp_path, 4), 'labels', 1, b'')
    context = multiprocessing.get_context('fork')
    ranks = [context.Process(target=_rank, args=(tmp_path, rank)) for rank in range(2)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(60)
    (looked, first), (other_looked, second) = (
        json.loads((tmp_path / f'rank{rank}.json').read_text()) for rank in range(2)
    )
    assert (
        (looked, other_looked) == (8, 0) and first == second and '1 of 4 files are empty' in first
    )


def test_processes_meet_while_one_looks(monkeypatch):
    """A collective that waited for all files would be ended by NCCL after ten minutes."""
    meetings = []
    monkeypatch.setattr(dist, 'get_world_size', lambda: 2)
    monkeypatch.setattr(
        dist, 'all_gather_object', lambda report: meetings.append(report) or [report]
    )
    assert audit.on_one_process(iter([None, None, 'outcome'])) == 'outcome'
    assert len(meetings) == 3


@pytest.mark.parametrize('local_rank, worked', [(0, ['looked']), (1, [])])
def test_one_process_of_each_machine_looks(monkeypatch, local_rank, worked):
    monkeypatch.setenv('LOCAL_RANK', str(local_rank))
    monkeypatch.setattr(dist, 'get_rank', lambda: 8 + local_rank)
    monkeypatch.setattr(dist, 'get_world_size', lambda: 16)
    own, other = socket.gethostname(), ('elsewhere', True, 'theirs')
    colleague = (own, True, 'ours')
    monkeypatch.setattr(
        dist, 'all_gather_object', lambda report: [other, report, *[colleague] * local_rank]
    )
    done = []
    work = (done.append('looked') or 'ours' for _ in range(1))
    assert audit.on_one_process(work) == 'ours' and done == worked


def test_progress_is_shown_after_two_seconds(tmp_path, monkeypatch):
    clock, said = iter(range(0, 10**6, 3)), []
    # A module of its own: threads of the pool read the real clock.
    monkeypatch.setattr(audit, 'time', SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(audit, 'print_log', lambda text, **_: said.append(text))
    build(make(tmp_path, 6))
    assert said[0] == 'Cats: 1 of 12 files looked at, 33 s left' and len(said) < 6
