"""The generator of cats with masks: what its files hold, and what it does if it runs again."""

import numpy as np
import pytest
from generators.photos import make_photos
from PIL import Image


def contents(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob('*') if path.is_file()}


def test_images_have_masks_of_their_size_with_0_and_255(tmp_path):
    assert make_photos(tmp_path, number=6, new=2, size=64) == 8
    images = sorted((tmp_path / 'images').iterdir())
    masks = sorted((tmp_path / 'masks').iterdir())
    assert [p.stem for p in images] == [p.stem for p in masks] and len(images) == 6
    assert len({*(tmp_path / 'new').iterdir()}) == 2
    sizes = set()
    for image, mask in zip(map(Image.open, images), map(Image.open, masks)):
        assert image.size == mask.size and min(image.size) >= 48 and max(image.size) <= 64
        assert image.format == 'JPEG' and mask.mode == 'L'
        values = np.asarray(mask)
        assert {*np.unique(values)} == {0, 255} and 0.1 < (values > 0).mean() < 0.9
        sizes.add(image.size)
    assert len(sizes) > 1


def test_pictures_depend_on_the_seed_alone(tmp_path):
    for name, seed, number in (('a', 0, 2), ('b', 0, 3), ('c', 1, 2)):
        make_photos(tmp_path / name, number=number, new=0, size=32, seed=seed)
    assert make_photos(tmp_path / 'a', number=3, new=0, size=32) == 1
    a, b, c = (contents(tmp_path / name) for name in 'abc')
    assert a == b and not {*a.values()} & {*c.values()}


def test_folders_of_others_stay(tmp_path):
    (tmp_path / 'masks').mkdir()
    with pytest.raises(FileExistsError, match='may be the real photographs'):
        make_photos(tmp_path, number=1, new=0, size=32)
    with pytest.raises(ValueError, match='size=8'):
        make_photos(tmp_path / 'x', size=8)
