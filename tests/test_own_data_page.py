"""The page on one's own data does what it says: its commands run in an empty folder."""

import io
import re
import runpy
import subprocess
import sys
from pathlib import Path

import mmpretrain
import numpy as np
import pytest
from PIL import Image
from running import REPOSITORY, environment, scalars
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

PAGE = (REPOSITORY / 'docs/own_data.md').read_text()
BLOCKS = re.findall(r'^```(bash|python)\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope='module')
def ran(tmp_path_factory):
    """A folder with our scripts and configs, where all blocks of the page have run."""
    folder = tmp_path_factory.mktemp('own_data')
    for name in ('tools', 'configs'):
        (folder / name).symlink_to(REPOSITORY / name)
    (folder / 'data').mkdir()
    for path in (REPOSITORY / 'data').iterdir():
        if path.suffix == '.py' or path.name == 'generators':
            (folder / 'data' / path.name).symlink_to(path)
    settings = environment(
        CUDA_VISIBLE_DEVICES='', PYTHONPATH=str(REPOSITORY), XDG_CACHE_HOME=str(folder / 'cache')
    )
    said = ''
    for language, code in BLOCKS:
        command = ['bash', '-ec', code] if language == 'bash' else ['python', '-c', code]
        result = subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True)
        said += result.stdout
        assert result.returncode == 0, f'{code}\n{result.stdout[-2000:]}{result.stderr[-5000:]}'
    return folder, said


@pytest.mark.slow
def test_the_page_leads_from_nothing_to_a_trained_model(ran):
    folder, said = ran
    scores = [line['mIoU'] for line in scalars(folder / 'work_dirs/cats') if 'mIoU' in line]
    # One class for all pixels gives half of the share of the background.
    assert scores[-1] > 60, scores
    assert list((folder / 'work_dirs/cats').glob('best_mIoU_*.pth'))
    drawn = list((folder / 'work_dirs/cats/pictures').rglob('*.png'))
    assert len(drawn) == len((folder / 'data/cats/splits/val.txt').read_text().split())


@pytest.mark.slow
def test_the_page_predicts_new_images(ran):
    folder, _ = ran
    predictions = sorted((folder / 'predictions/pred').glob('*.png'))
    new = sorted((folder / 'data/cats/new').glob('*.jpg'))
    assert len(predictions) == len(new) == 4
    for image, prediction in zip(new, predictions):
        assert Image.open(image).size == Image.open(prediction).size
        assert {*np.unique(np.asarray(Image.open(prediction)))} == {0, 1}
    shown = Image.open(REPOSITORY / 'docs/own_data.jpg')
    assert Image.open(folder / 'own_data.jpg').size == shown.size


@pytest.mark.slow
def test_the_page_checks_and_shows_data_of_every_task(ran):
    folder, said = ran
    assert said.count('accepted') == 6 and 'refused' not in said
    for name, text in (('cats', 'background'), ('shapes', 'spiral (7)'), ('holes', 'spiral_0')):
        page = (folder / f'work_dirs/{name}/data.html').read_text()
        assert text in page and page.count('data:image/jpeg') >= 40


@pytest.mark.slow
def test_tensorboard_shows_the_training_and_the_same_pictures_at_each_validation(ran):
    folder, _ = ran
    (log,) = folder.glob('work_dirs/cats/*/vis_data/scalars.json')
    events = EventAccumulator(str(log.parent)).Reload()
    wanted = {'lr', 'loss', 'grad_norm', 'memory', 'mIoU', 'val/loss', 'val/decode.loss_ce'}
    assert wanted <= {*events.Tags()['scalars']}
    names = events.Tags()['images']
    assert len(names) == 4 and all(name.startswith('val_cat_') for name in names)
    for name in names:
        pictures = events.Images(name)
        assert [picture.step for picture in pictures] == [25, 50, 75, 100]
        pixels = np.asarray(Image.open(io.BytesIO(pictures[-1].encoded_image_string)))
        image, truth, prediction = np.split(pixels.astype(int), 3, axis=1)
        assert 0 < (abs(truth - prediction).sum(2) > 30).mean() < 0.4
        assert (image != truth).any()


@pytest.mark.slow
def test_mmpretrain_draws_the_curves_of_the_training(ran, tmp_path, monkeypatch):
    script = Path(mmpretrain.__file__).parent / '.mim/tools/analysis_tools/analyze_logs.py'
    if not script.exists():
        pytest.skip(f'{script} is not installed')
    (log,) = ran[0].glob('work_dirs/cats/*/vis_data/scalars.json')
    for number, keys in enumerate((['loss', 'val/loss'], ['mIoU'], ['grad_norm'])):
        out = str(tmp_path / f'{number}.png')
        argv = [str(script), 'plot_curve', str(log), '--keys', *keys, '--out', out]
        monkeypatch.setattr(sys, 'argv', argv)
        runpy.run_path(str(script), run_name='__main__')
        assert len(np.unique(np.asarray(Image.open(out)))) > 10


def test_every_block_of_the_page_is_executed():
    assert len(BLOCKS) == PAGE.count('\n```') // 2 == 3
