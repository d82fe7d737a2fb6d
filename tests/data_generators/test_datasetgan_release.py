"""The converter on a small tree in the layout of DatasetGAN's release."""

import numpy as np
import pytest
from generators.datasetgan_release import FOLDERS, convert, read_mask
from generators.datasetgan_sets import CAR_TO_ADE, SETS
from mmseg.registry import DATASETS
from PIL import Image

pytestmark = pytest.mark.slow

SIZES = dict(faces=(32, 32), cars=(24, 32), cats=(16, 16))


def masks_and_images(folder, name, count, mask_name, suffix):
    """Write masks of two halves: class <number> above, the last class below."""
    folder.mkdir(parents=True)
    height, width = SIZES[name]
    last = len(SETS[name][0].METAINFO['classes']) - 1
    for number in range(count):
        mask = np.full((height, width), number % last, np.int64)
        mask[height // 2 :] = last
        np.save(folder / mask_name.format(number), mask)
        # The grey value encodes the class, so that a wrong pair is noticed.
        grey = np.repeat(4 * mask.astype(np.uint8)[..., None], 3, 2)
        Image.fromarray(grey).save(folder / f'image_{number}{suffix}', quality=100)


@pytest.fixture
def release(tmp_path):
    annotation = tmp_path / 'release/annotation'
    for name in SIZES:
        train, val = FOLDERS[name]
        masks_and_images(
            annotation / 'training_data' / train,
            name,
            SETS[name][1] + 2,
            'image_mask{}.npy',
            '.jpg',
        )
        masks_and_images(annotation / 'testing_data' / val, name, 11, 'mask_{}.npy', '.png')
    np.save(annotation / 'training_data/face_processed/latent_3.npy', np.zeros(4))
    return tmp_path / 'release'


def converted(root, name, split, kind, number):
    return np.array(Image.open(root / name / kind / split / f'{number:04d}.png'))


def test_all_sets_are_converted_and_load(release, tmp_path, capsys):
    lines = list(convert(release, tmp_path / 'out', 16))
    assert len(lines) == 8
    shown = capsys.readouterr().out
    assert '16/16' in shown and 'ETA' in shown
    assert 'faces train: 16 of 18 images' in lines[0] and '20 classes merged to 12' in lines[-3]
    for name, (dataset, num_train) in SETS.items():
        for split, count in (('train', num_train), ('val', 11)):
            built = DATASETS.build(
                dict(
                    type=f'afno_mm.{dataset.__name__}',
                    data_root=str(tmp_path / 'out' / name),
                    data_prefix=dict(img_path=f'images/{split}', seg_map_path=f'labels/{split}'),
                )
            )
            assert len(built) == count


@pytest.mark.parametrize('split', ['train', 'val'])
def test_pairs_follow_numbers_not_their_spelling(split, release, tmp_path):
    """image_10 comes before image_2 in the alphabet."""
    list(convert(release, tmp_path / 'out', None))
    for number in (2, 10):
        label = converted(tmp_path / 'out', 'cats', split, 'labels', number)
        assert label.shape == (16, 16) and set(label[0]) == {number} and set(label[-1]) == {15}
        image = converted(tmp_path / 'out', 'cats', split, 'images', number)
        np.testing.assert_allclose(image[..., 0], 4.0 * label, atol=6)


def test_labels_keep_their_values_when_resized(release, tmp_path):
    list(convert(release, tmp_path / 'out', 50))
    label = converted(tmp_path / 'out', 'cars', 'val', 'labels', 5)
    assert label.shape == (50, 50) and set(np.unique(label)) == {5, 19}
    merged = converted(tmp_path / 'out', 'ade_cars', 'val', 'labels', 5)
    np.testing.assert_array_equal(merged, np.array(CAR_TO_ADE)[label])


def test_ade20k_cars_are_taken_as_they_are(release, tmp_path):
    folder = release / 'annotation/testing_data/car_ade_12_class'
    folder.mkdir()
    np.save(folder / '7.npy', np.full((24, 32), 11))
    Image.new('RGB', (32, 24)).save(folder / '7.png')
    lines = list(convert(release, tmp_path / 'out', None))
    assert lines[-3].startswith('ade_cars val: 1 of 1 images') and 'merged' not in lines[-3]
    assert (converted(tmp_path / 'out', 'ade_cars', 'val', 'labels', 7) == 11).all()


def test_specks_of_the_training_masks_are_dropped(release, tmp_path):
    for folder in ('training_data/cat_processed/image_mask', 'testing_data/cat_16_class/mask_'):
        path = release / f'annotation/{folder}4.npy'
        mask = np.load(path)
        mask[0, :9], mask[1:3, :15] = 11, 12
        np.save(path, mask)
    lines = list(convert(release, tmp_path / 'out', None))
    assert '1 parts below 30 pixels dropped' in lines[-2]
    assert set(np.unique(converted(tmp_path / 'out', 'cats', 'train', 'labels', 4))) == {
        0,
        4,
        12,
        15,
    }
    assert 11 in converted(tmp_path / 'out', 'cats', 'val', 'labels', 4)


def test_a_part_of_the_release_will_do_and_the_rest_is_named(release, tmp_path):
    (release / 'annotation/training_data/car_processed').rename(tmp_path / 'away')
    lines = list(convert(release / 'annotation', tmp_path / 'out'))
    assert 'cars: not converted' in lines[2] and 'training_data/car_processed' in lines[2]
    assert {p.name for p in (tmp_path / 'out').iterdir()} == {'faces', 'cats'}


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match='annotation/{training_data,testing_data}'):
        list(convert(tmp_path, tmp_path / 'out'))


def test_what_is_there_is_not_overwritten(release, tmp_path):
    (tmp_path / 'out/faces').mkdir(parents=True)
    with pytest.raises(FileExistsError, match=f'rm -r {tmp_path}/out/faces'):
        list(convert(release, tmp_path / 'out'))


def fault(release, name, action):
    path = release / f'annotation/training_data/face_processed/{name}'
    action(path)
    return path


@pytest.mark.parametrize(
    'name, action, error, message',
    [
        ('image_mask3.npy', lambda p: p.unlink(), FileNotFoundError, 'no partner.*image_3.jpg'),
        (
            'image_3.png',
            lambda p: Image.new('RGB', (32, 32)).save(p),
            ValueError,
            'the same number',
        ),
        (
            'image_mask3.npy',
            lambda p: np.save(p, np.full((32, 32), 34)),
            ValueError,
            r'image_mask3.npy has the values \[34\]; wanted class ids 0..33',
        ),
        ('image_mask3.npy', lambda p: np.save(p, np.full((32, 32), 0.5)), ValueError, r'\[0.5\]'),
        (
            'image_mask3.npy',
            lambda p: np.save(p, np.eye(3)[None] * np.ones((32, 3, 3))),
            ValueError,
            r'shape \(32, 3, 3\); wanted \(H, W\)',
        ),
        (
            'image_3.jpg',
            lambda p: Image.new('RGB', (32, 24)).save(p),
            ValueError,
            'equal proportions',
        ),
    ],
)
def test_planted_faults_are_named(name, action, error, message, release, tmp_path):
    fault(release, name, action)
    with pytest.raises(error, match=message):
        list(convert(release, tmp_path / 'out'))


def test_too_few_training_images(release, tmp_path):
    for number in range(15, 18):
        for name in (f'image_mask{number}.npy', f'image_{number}.jpg'):
            fault(release, name, lambda path: path.unlink())
    with pytest.raises(FileNotFoundError, match='15 images with masks; wanted 16'):
        list(convert(release, tmp_path / 'out'))


@pytest.mark.parametrize('axis', [0, 2])
def test_masks_may_repeat_themselves_along_an_axis(axis, tmp_path):
    mask = np.arange(40).reshape(5, 8) % 7
    np.save(tmp_path / 'mask.npy', np.stack([mask] * 3, axis))
    np.testing.assert_array_equal(read_mask(tmp_path / 'mask.npy', 7), mask)


def test_merged_car_parts_keep_their_meaning():
    car, ade_car = (SETS[name][0].METAINFO['classes'] for name in ('cars', 'ade_cars'))
    same = {'car light': 'head light', 'tire': 'wheel'}
    for part, merged in zip(car, CAR_TO_ADE, strict=True):
        name = same.get(part, part)
        assert ade_car[merged] == (name if name in ade_car else 'car')
    assert set(CAR_TO_ADE) == set(range(12))
