"""Generated images: ten classes, fixed by the seed. Existing files stay."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from afno_mm.datasets import ImageNet
from generators.images import FIGURES, make_images, render_image
from PIL import Image

SIZE = 32


def digests(root):
    return {
        p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in root.rglob('*.JPEG')
    }


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / 'images'
    assert make_images(root, 3, 2, SIZE) == 5 * len(FIGURES)
    return root


def test_layout_is_what_mmpretrain_reads(tree):
    for split, number in (('train', 3), ('val', 2)):
        data = ImageNet(data_root=str(tree), data_prefix=split)
        assert len(data) == number * len(FIGURES)
        assert data.CLASSES == tuple(sorted(FIGURES))
        assert np.bincount(data.get_gt_labels()).tolist() == [number] * len(FIGURES)
    assert Image.open(tree / 'val/discs/discs_00001.JPEG').size == (SIZE, SIZE)


def test_a_second_run_completes_and_adds_but_changes_nothing(tree):
    before = digests(tree)
    (tree / 'train/rings/rings_00002.JPEG').unlink()
    assert make_images(tree, 3, 3, SIZE) == 1 + len(FIGURES)
    after = digests(tree)
    assert {name: after[name] for name in before} == before
    assert not list(tree.rglob('*.part*'))


def test_seed_split_class_and_index_make_the_image():
    def images(seed):
        return {
            render_image(seed, split, name, index, SIZE).tobytes()
            for split in ('train', 'val')
            for name in FIGURES
            for index in (0, 1)
        }

    assert len(images(0)) == 4 * len(FIGURES)
    assert images(0) == images(0) and not images(0) & images(1)


def test_images_use_the_range_and_colour_does_not_tell_the_class():
    images = {
        name: np.stack([render_image(0, 'train', name, i, SIZE) for i in range(60)])
        for name in FIGURES
    }
    means = np.stack([i.mean((0, 1, 2)) for i in images.values()])
    spread = np.stack([i.mean((1, 2)).std(0) for i in images.values()])
    # Mean colours of the classes differ by less than half the spread within a class.
    assert (abs(means - means.mean(0)) < 0.5 * spread).all()
    for image in images.values():
        assert image.dtype == np.uint8 and image.std() > 35


def test_classes_can_be_told_by_their_spectra():
    """Classify by the nearest class mean of spectral features. Chance is 10 %."""
    window = np.outer(np.hanning(SIZE), np.hanning(SIZE))
    f = np.fft.fftfreq(SIZE) * SIZE
    radius = np.minimum(np.hypot(f[:, None], f), 15).astype(int).ravel()

    def features(split, name, index):
        grey = render_image(0, split, name, index, SIZE).mean(2)
        spectrum = np.abs(np.fft.fft2((grey - grey.mean()) * window)).ravel() / grey.std()
        power = [np.sort(spectrum[radius == r]) for r in range(1, 12)]
        return np.log([s[int(q * (len(s) - 1))] for s in power for q in (0.1, 0.5, 0.9, 1)])

    train = np.array([[features('train', n, i) for i in range(40)] for n in FIGURES])
    val = np.array([[features('val', n, i) for i in range(20)] for n in FIGURES])
    scale = train.std((0, 1))
    distance = (((val[:, :, None] - train.mean(1)) / scale) ** 2).sum(-1)
    right = distance.argmin(-1) == np.arange(len(FIGURES))[:, None]
    assert right.mean() > 0.4


def test_other_images_are_not_overwritten(tree, tmp_path):
    with pytest.raises(FileExistsError, match="'size': 32.*'size': 40"):
        make_images(tree, 3, 2, 40)
    real = tmp_path / 'imagenet'
    (real / 'train/n01440764').mkdir(parents=True)
    with pytest.raises(FileExistsError, match='may be the real ImageNet') as error:
        make_images(real, 1, 1, SIZE)
    (script,) = re.findall(r'python (\S+make_images.py) ', str(error.value))
    assert Path(script).is_file()
    assert [p.name for p in real.rglob('*')] == ['train', 'n01440764']


def test_numbers_out_of_range_are_refused(tmp_path):
    with pytest.raises(ValueError, match='size=8'):
        make_images(tmp_path, 1, 1, 8)
    with pytest.raises(ValueError, match='num_val=-1'):
        make_images(tmp_path, 1, -1)
