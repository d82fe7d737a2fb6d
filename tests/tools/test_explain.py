"""explain: what the page shows, and what bad input says."""

import base64
import io
import re
import sys

import numpy as np
import pytest
from PIL import Image
from tiny_models import files, image_file

import explain  # isort: skip  tiny_models adds tools/ to the path
from look_inside.models import Source  # isort: skip


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('models')


def run(*arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', ['explain.py', *map(str, arguments)])
        explain.main()


def pictures(page):
    found = re.findall(r'data:image/\w+;base64,([^"]*)', page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


@pytest.mark.slow
def test_the_page_has_a_column_for_each_model_and_needs_no_other_file(folder, tmp_path, capsys):
    image = image_file(tmp_path)
    models = [*files(folder, 'afno'), image, '--compare', *files(folder, 'esa')]
    run(*models, '--out', tmp_path / 'page.html', '--at', 50, 30)
    page = (tmp_path / 'page.html').read_text()
    assert '://' not in page and '<script' not in page and 'src="data:' in page
    # Overlays, then a mixer and a receptive field for 4 stages, then clusters, each of 2 models;
    # 3 spectra for each stage of AFNO. The last stage has too few tokens for clusters.
    assert len(pictures(page)) == 2 + 4 * 2 * 2 + 3 * 4 + 3 * 2
    assert '2x3 tokens have no 10 neighbours' in page
    assert 'sea &amp; salt' in page and '<td>64 x 96</td>' in page
    for heading in ('In short', 'What one mixer sees', 'effective receptive field', 'frequencies'):
        assert heading in page
    assert page.count('layer 5') == 2  # a spectrum and a bar
    said = capsys.readouterr().out
    assert '64 rows of 96 pixels' in said and str(tmp_path / 'page.html') in said


@pytest.mark.slow
@pytest.mark.parametrize('name', ['vit', 'swin', 'inpainting', 'slide'])
def test_other_tasks_and_backbones_have_pages(name, folder, tmp_path):
    run(*files(folder, name), image_file(tmp_path), '--out', tmp_path / 'page.html')
    page = (tmp_path / 'page.html').read_text()
    if name in ('vit', 'swin'):
        assert all(word in page for word in ('ant', 'bee', 'cat', 'dog'))
    if name == 'vit':
        assert 'layer 2' in page and 'layer 5' in page and '8 x 8 tokens' in page
    if name == 'inpainting':
        masked, filled, whole = (image.astype(int) for image in pictures(page)[:3])
        assert (masked == 0).mean() > 0.1 and abs(whole - filled).mean() > 5
        outside = (masked > 0).all(-1)
        assert abs(masked - whole)[outside].mean() < 5
    if name == 'slide':
        assert '<td>32 x 48</td>' in page and 'for each of 9 windows' in page


def test_several_pixels_each_have_their_pictures(folder, tmp_path):
    arguments = [*files(folder, 'esa'), image_file(tmp_path), '--out', tmp_path / 'page.html']
    run(*arguments, '--at', 5, 6, '--at', 40, 80)
    page = (tmp_path / 'page.html').read_text()
    for title in ('What one mixer sees, pixel 5 6', 'What one mixer sees, pixel 40 80'):
        assert title in page
    assert len(pictures(page)) == 1 + 2 * 8 + 3


@pytest.mark.parametrize(
    'change,message',
    [
        (dict(image='no.jpg'), 'there is no image no.jpg'),
        (dict(image='text.jpg'), 'text.jpg is not an image that can be read'),
        (dict(image='cut.jpg'), 'cut.jpg is damaged: image file is truncated'),
        (dict(config='no.py'), "there is no file 'no.py'"),
        (dict(checkpoint='no.pth'), 'there is no checkpoint no.pth'),
        (dict(checkpoint='text.jpg'), 'text.jpg'),
        (dict(checkpoint='esa'), 'from another model than that'),
        (dict(at=['64', '0']), '--at 64 0 is outside .* rows are 0 to 63, columns 0 to 95'),
    ],
)
def test_bad_input_says_what_is_wrong(change, message, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'text.jpg').write_text('no image')
    whole = tmp_path / image_file(tmp_path, 'whole.jpg')
    (tmp_path / 'cut.jpg').write_bytes(whole.read_bytes()[:-500])
    config, checkpoint = files(folder, 'afno')
    if change.get('checkpoint') == 'esa':
        change = dict(checkpoint=files(folder, 'esa')[1])
    given = dict(config=config, checkpoint=checkpoint, image='whole.jpg', at=['0', '0']) | change
    with pytest.raises(SystemExit, match=message) as error:
        run(given['config'], given['checkpoint'], given['image'], '--at', *given['at'])
    assert str(error.value).startswith('explain.py: ')


def test_models_of_one_config_get_names_of_their_folders(folder, tmp_path):
    places = [Source('a', 'a.py', '/x/one/last.pth'), Source('a', 'a.py', '/x/two/last.pth')]
    assert explain.unique_names(places) == ['one/a', 'two/a']
    assert explain.unique_names([places[0]] * 2) == ['x/one/a (1)', 'x/one/a (2)']


def test_long_steps_say_how_long_they_take(monkeypatch, capsys):
    now = 100.0
    monkeypatch.setattr(explain.time, 'monotonic', lambda: now)
    left = explain.TimeLeft()
    left(0.0, 'stage 1')
    now = 104.0
    left(0.2, 'stage 1')
    assert capsys.readouterr().out == ''
    now = 110.0
    left(0.25, 'stage 2')
    assert capsys.readouterr().out == '   25%  stage 2, about 30 s left\n'


def test_a_pixel_goes_to_its_place_in_an_input_of_another_shape():
    assert explain.scaled((16, 72), (64, 96), (128, 48, 3)) == (32, 36)
