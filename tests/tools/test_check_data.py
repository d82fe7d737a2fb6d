"""check_data: what it says of good and of faulty data, and that training says the same."""

import base64
import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from afno_mm.engine import build_runner, read_config
from PIL import Image
from running import REPOSITORY, tool

SEGMENTATION = f"""
_base_ = {str(REPOSITORY / 'configs/segformer_afno_b0_cityscapes.py')!r}
data_root = 'mine'
pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
            dict(type='Resize', scale=(64, 32)), dict(type='PackSegInputs')]
data = dict(_delete_=True, type='afno_mm.SegDataset', data_root=data_root, pipeline=pipeline,
            metainfo=dict(classes=('background', 'red & round'), palette=[[0, 0, 0], [200, 0, 0]]))
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(
    **data, data_prefix=dict(img_path='img/train', seg_map_path='ann/train')))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(
    **data, data_prefix=dict(img_path='img/val', seg_map_path='ann/val')))
test_dataloader = val_dataloader
test_evaluator = [_base_.val_evaluator]
data_preprocessor = dict(size=(32, 64))
model = dict(data_preprocessor=data_preprocessor, decode_head=dict(num_classes=2),
             test_cfg=dict(_delete_=True, mode='whole'))
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=1, val_interval=1)
param_scheduler = None
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=1))
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.syspath_prepend(REPOSITORY / 'tools')
    monkeypatch.chdir(tmp_path)
    Path('seg.py').write_text(SEGMENTATION)
    for split, names in (('train', 'abcd'), ('val', 'ef')):
        for name in names:
            put(f'img/{split}/{name}.jpg', np.full((32, 64, 3), 60))
            put(f'ann/{split}/{name}.png', np.arange(32 * 64).reshape(32, 64) % 4 == 0)


def put(name, pixels):
    path = Path('mine', name)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


def check(capsys, *arguments, config='seg.py'):
    """Return the exit code and what was printed."""
    import check_data

    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', ['check_data.py', config, *map(str, arguments)])
        try:
            check_data.main()
        except SystemExit as error:
            return error.code, capsys.readouterr().out
    return 0, capsys.readouterr().out


def train(config='seg.py'):
    cfg = read_config(config)
    cfg.visualizer.name = str(Path.cwd())  # MMEngine keeps one for each name
    build_runner(cfg).train()


def pictures(path='work_dirs/seg/data.html'):
    """Return the images of a page, in its order."""
    found = re.findall('data:image/jpeg;base64,([^"]*)', Path(path).read_text())
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


@pytest.mark.slow
def test_good_data_are_counted_and_train_a_step(capsys):
    code, text = check(capsys)
    assert code == 0 and 'refused' not in text
    train_text, val_text = text.split('val and test: ')
    assert 'train: SegDataset mine' in train_text
    assert '4 images, 4 masks' in train_text and '2 images, 2 masks' in val_text
    assert 'height    32 to 32, median 32' in train_text
    assert 'width     64 to 64, median 64' in train_text
    assert '75.00%  background\n    25.00%  red & round' in train_text
    train()
    assert Path('work_dirs/seg/iter_1.pth').is_file()


def test_the_page_shows_images_under_their_masks(capsys):
    check(capsys)
    page = Path('work_dirs/seg/data.html').read_text()
    assert 'red &amp; round' in page and 'rgb(200,0,0)' in page and 'class="bad"' not in page
    shown = pictures()
    assert len(shown) == 2 * 6
    image, overlay = shown[:2]
    assert np.abs(image.astype(int) - 60).max() < 3
    # A quarter is red by 0.6 of 200 and 0.4 of 60: columns of one pixel, blurred by JPEG.
    red, green, _ = overlay.mean((0, 1))
    assert red == pytest.approx(0.4 * 60 + 0.25 * 120, abs=4) and green == pytest.approx(24, abs=4)
    assert '://' not in page


def test_the_seed_selects_other_samples_and_the_page_says_how_many_there_are(capsys):
    def names(seed):
        check(capsys, '--number', 2, '--seed', seed, '--out', 'page.html')
        page = Path('page.html').read_text()
        assert f'2 of {len(list(Path("mine/img/train").iterdir()))} samples' in page
        return re.findall(r'img/train/(\w)', page)

    chosen = [names(seed) for seed in (0, 0, 1, 2, 3)]
    assert chosen[0] == chosen[1] and len({*map(tuple, chosen)}) > 1
    assert all(len(letters) == 2 for letters in chosen)


def test_faults_of_all_datasets_are_said_and_shown_first(capsys):
    put('ann/train/c.png', np.full((32, 64), 7))
    put('ann/train/d.png', np.zeros((16, 64)))
    Path('mine/img/val/f.jpg').write_bytes(b'')
    code, text = check(capsys)
    assert code == 1 and 'refused: train, val, test' in text
    assert 'c.png has the values [7] in 2048 of 2048 pixels' in text
    assert 'd.png is 64x16, its image mine/img/train/d.jpg is 64x32' in text
    assert '1 of 2 files are empty:\n  mine/img/val/f.jpg' in text
    page = Path('work_dirs/seg/data.html').read_text()
    order = re.findall(r'<figure( class="bad")?>.*?img/(?:train|val)/(\w)', page)
    bad = ' class="bad"'
    assert order == [(bad, 'c'), (bad, 'd'), ('', 'a'), ('', 'b'), (bad, 'f'), ('', 'e')]
    assert 'cannot be drawn' in page and len(pictures()) == 1 + 2 + 2 + 2 + 2
    assert 'c.png of mode L has the values [7]' in page


FAULTS = {
    'a value': lambda: put('ann/train/c.png', np.full((32, 64), 7)),
    'no mask': lambda: Path('mine/ann/val/e.png').unlink(),
    'a size': lambda: put('ann/train/c.png', np.zeros((32, 32))),
    'colours': lambda: put('ann/train/c.png', np.full((32, 64, 3), 9)),
    'an empty image': lambda: Path('mine/img/train/a.jpg').write_bytes(b''),
    'no folder': lambda: Path('mine/img/train').rename('mine/img/x'),
    'classes': lambda: Path('seg.py').write_text(
        SEGMENTATION.replace("('background', 'red & round')", "('background', 'red', 'x')").replace(
            '[200, 0, 0]]', '[200, 0, 0], [0, 9, 0]]'
        )
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize('fault', FAULTS)
def test_training_refuses_in_the_same_words(fault, capsys):
    FAULTS[fault]()
    code, text = check(capsys)
    assert code == 1
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        train()
    assert str(error.value) in text


def test_a_fault_of_the_test_data_alone_does_not_stop_training(capsys):
    text = SEGMENTATION.replace(
        'test_dataloader = val_dataloader',
        'test_dataloader = dict(num_workers=0, dataset=dict(**data, '
        "data_prefix=dict(img_path='img/no', seg_map_path='ann/no')))",
    )
    Path('seg.py').write_text(text)
    code, text = check(capsys)
    assert code == 0 and 'there is no folder mine/img/no' in text and 'refused: test' in text


def test_blank_masks_are_shown_as_suspicious(capsys):
    put('ann/train/b.png', np.zeros((32, 64)))
    code, _ = check(capsys)
    page = Path('work_dirs/seg/data.html').read_text()
    assert code == 0 and page.count('class="bad"') == 1
    assert 'the mask has the value 0 alone' in page


def test_skipped_samples_are_said_and_accepted(capsys):
    put('ann/train/c.png', np.full((32, 64), 7))
    options = ['on_bad_file=skip', 'max_bad_share=0.5']
    prefix = 'train_dataloader.dataset.'
    code, text = check(capsys, '--cfg-options', *(prefix + option for option in options))
    assert code == 0 and '1 faults, whose samples training leaves out' in text


@pytest.mark.parametrize('how', ['audit=False', 'another class'])
def test_what_is_not_looked_at_is_said(how, capsys):
    key = 'train_dataloader.dataset.'
    if how == 'audit=False':
        code, text = check(capsys, '--cfg-options', f'{key}audit=False')
        assert code == 0 and 'no file was opened' in text
    else:
        text = SEGMENTATION.replace("type='afno_mm.SegDataset'", "type='BaseSegDataset'")
        Path('seg.py').write_text(text)
        code, text = check(capsys)
        assert code == 0 and 'not checked: BaseSegDataset does not look into its files' in text


def test_wrapped_datasets_are_found(capsys):
    wrapped = """
train_dataloader = dict(_delete_=True, num_workers=0, sampler=dict(type='InfiniteSampler'),
    dataset=dict(type='RepeatDataset', times=2, dataset=dict(type='afno_mm.SegDataset',
    data_root=data_root, pipeline=pipeline, metainfo=data['metainfo'],
    data_prefix=dict(img_path='img/train', seg_map_path='ann/train'))))
"""
    Path('seg.py').write_text(SEGMENTATION.replace('val_dataloader', f'{wrapped}val_dataloader', 1))
    code, text = check(capsys)
    assert code == 0 and '4 images, 4 masks' in text


@pytest.mark.parametrize('name', ['mit_afno_b0_imagenet', 'vit_afno_xs4_inpainting'])
def test_images_of_other_tasks_are_counted_and_shown(name, capsys):
    for split in ('train', 'val'):
        for number, kind in enumerate(('ash', 'oak')):
            for index in range(1 + number):
                put(f'{split}/{kind}/{index}.png', np.full((40, 30, 3), 100 + 50 * number))
    classes = 'num_classes=2'
    head = f'head=dict({classes}), data_preprocessor=dict({classes})'
    is_classifier = 'mit' in name
    Path('other.py').write_text(f"""
_base_ = {str(REPOSITORY / f'configs/{name}.py')!r}
data_root = 'mine'
train_dataloader = dict(dataset=dict(type='afno_mm.ImageFolder', data_root=data_root,
    ann_file='', with_label={is_classifier}))
val_dataloader = dict(dataset=dict(type='afno_mm.ImageFolder', data_root=data_root,
    with_label={is_classifier}))
test_dataloader = val_dataloader
{f'model = dict({head})' if is_classifier else ''}
""")
    code, text = check(capsys, config='other.py')
    assert code == 0 and '3 images\n' in text and 'height    40 to 40' in text
    assert ('33.33%  ash\n    66.67%  oak' in text) == is_classifier
    page = Path('work_dirs/other/data.html').read_text()
    assert (page.count('oak (1)') == 4) == is_classifier
    assert sorted(p.mean().round(-1) for p in pictures('work_dirs/other/data.html')) == (
        [100] * 2 + [150] * 4
    )


@pytest.mark.slow
def test_the_exit_code_is_that_of_the_command(tmp_path):
    Path('mine/ann/val/e.png').unlink()
    output = tool(
        'check_data.py',
        tmp_path / 'seg.py',
        '--cfg-options',
        f'data_root={tmp_path}/mine',
        '--out',
        tmp_path / 'x.html',
        succeeds=False,
    )
    assert 'e.png' in output and 'Traceback' not in output
