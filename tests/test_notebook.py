"""The notebook leads from images to a trained model: all its cells run, in a new folder."""

import json
import re
import subprocess

import numpy as np
import pytest
from PIL import Image
from running import REPOSITORY, environment

NOTEBOOK = REPOSITORY / 'docs/tutorials/own_images.ipynb'
SMALL = '--iterations 60=--iterations 24'


@pytest.mark.slow
def test_the_notebook_trains_a_model_and_shows_a_prediction(tmp_path):
    for name in ('tools', 'configs'):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / 'data').mkdir()
    for name in ('make_photos.py', 'generators'):
        (tmp_path / 'data' / name).symlink_to(REPOSITORY / 'data' / name)
    (tmp_path / 'docs/tutorials').mkdir(parents=True)  # where Jupyter starts
    settings = environment(
        CUDA_VISIBLE_DEVICES='', PYTHONPATH=str(REPOSITORY), XDG_CACHE_HOME=str(tmp_path / 'cache')
    )
    result = subprocess.run(
        ['python', REPOSITORY / 'tests/run_notebook.py', NOTEBOOK, tmp_path, SMALL],
        cwd=tmp_path / 'docs/tutorials',
        env=settings,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, f'{result.stdout[-2000:]}{result.stderr[-5000:]}'
    scores = [float(value) for value in re.findall(r'^step .*mIoU (.+)', result.stdout, re.M)]
    # One class for all pixels gives half of the share of the background.
    assert len(scores) == 4 and scores[-1] > 45
    pictures = [np.asarray(Image.open(path)) for path in tmp_path.glob('*.png')]
    assert [picture.shape for picture in pictures] == [(192, 4 * 192, 3)] * 2
    masks = [np.asarray(Image.open(path)) for path in tmp_path.glob('pets_predictions/pred/*.png')]
    assert len(masks) == 2 and {*np.unique(masks[0])} == {0, 1}


def test_the_notebook_is_saved_with_its_pictures_alone():
    notebook = json.loads(NOTEBOOK.read_text())
    assert notebook['nbformat'] == 4 and len(NOTEBOOK.read_bytes()) < 100_000
    code = [cell for cell in notebook['cells'] if cell['cell_type'] == 'code']
    assert len({cell['id'] for cell in notebook['cells']}) == len(notebook['cells'])
    assert all(cell['execution_count'] is None for cell in code)
    shown = [list(output['data']) for cell in code for output in cell['outputs']]
    assert shown == [['image/jpeg'], ['image/jpeg']]
