"""The demo page: what it answers, without gradio, and how it looks in a real browser."""

import base64
import io
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import REPOSITORY
from tiny_models import files, image_file

import demo  # isort: skip  tiny_models adds tools/ to the path
from demo_page.state import Models, example_images  # isort: skip
from look_inside.models import find_models  # isort: skip


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp('work_dirs')
    for name in ('afno', 'esa', 'vit', 'inpainting'):
        files(folder, name)
    return Models(find_models([str(folder)]))


@pytest.fixture
def image(tmp_path):
    return image_file(tmp_path)


def test_a_prediction_has_classes_shares_time_and_memory(models, image):
    answer = models.answer('afno', image)
    assert answer.picture.dtype == np.uint8 and answer.picture.shape == (480, 720, 3)
    shares = [float(share) for share in re.findall(r'<td>([\d.]+)%', answer.html)]
    assert sum(shares) == pytest.approx(100, abs=0.3) and shares == sorted(shares, reverse=True)
    assert re.search(r'64 x 96 pixels · [\d.]+ s, \d+ MiB', answer.html)
    assert 'sparsity_threshold' not in answer.html


def test_other_tasks_are_shown_too(models, image):
    answer = models.answer('vit', image)
    assert all(name in answer.html for name in ('ant', 'bee', 'cat', 'dog'))
    both = models.answer('inpainting', image)
    assert both.picture.shape == (360, 720, 3)
    assert models.answer('inpainting', image, full_size=True).picture.shape[1] == 720


def test_the_sliders_act_on_afno_alone_and_only_for_one_answer(models, image):
    trained = models.answer('afno', image)
    strong = dict(sparsity_threshold=50.0, mode_fraction=0.1)
    changed = models.answer('afno', image, strong)
    assert (changed.picture != trained.picture).any()
    assert 'sparsity_threshold=50, mode_fraction=0.1 in 5 mixers' in changed.html
    assert (models.answer('afno', image).picture == trained.picture).all()
    before, after = models.answer('esa', image), models.answer('esa', image, strong)
    assert (before.picture == after.picture).all()
    assert 'has no AFNO: the sliders change nothing' in after.html
    assert models.settings('afno') == dict(sparsity_threshold=0.2, mode_fraction=1.0)
    assert models.settings('esa') == {}


def test_large_images_go_by_windows_with_progress(models, tmp_path):
    large = image_file(tmp_path, size=(128, 192))
    seen = []
    answer = models.answer(
        'afno', large, None, True, lambda share, text: seen.append((share, text))
    )
    assert '128 x 192 pixels' in answer.html and 'for each of 9 windows' in answer.html
    assert [text for _, text in seen] == [f'window {n} of 9' for n in range(1, 10)]
    assert [share for share, _ in seen] == pytest.approx([n / 9 for n in range(9)])
    assert 'windows' not in models.answer('afno', large).html
    # The fields are those of the window around the place.
    assert 'row 127, column 191' in models.fields('afno', large, (0.999, 0.999), None, True)


def test_a_click_shows_the_field_at_its_place(models, image):
    html = models.fields('afno', image, (0.75, 0.25))
    assert 'What afno sees from row 48, column 24' in html
    drawn = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert('RGB')).astype(int)
        for data in re.findall(r'base64,([^"]*)', html)
    ]
    assert len(drawn) == 8
    rows, columns = np.nonzero((abs(drawn[0] - (90, 255, 255)) < 60).all(-1))
    height, width = drawn[0].shape[:2]
    assert rows.mean() == pytest.approx(0.75 * height, abs=8)
    assert columns.mean() == pytest.approx(0.25 * width, abs=8)
    assert models.fields('afno', image, (0.75, 0.25), dict(mode_fraction=0.1)) != html
    assert 'row 63, column 0' in models.fields('esa', image, (1.0, -0.1))


def test_bad_files_and_models_give_messages(models, image, tmp_path):
    bad = tmp_path / 'a & b.jpg'
    bad.write_bytes(b'no image')
    answer = models.answer('afno', str(bad))
    assert answer.picture is None and 'a &amp; b.jpg is not an image' in answer.html
    assert 'is not an image' in models.fields('afno', str(bad), (0, 0))
    assert 'there is no model &#x27;x&#x27;, only afno' in models.answer('x', image).html
    assert 'mode_fraction must be' in models.answer('afno', image, dict(mode_fraction=0.0)).html
    assert models.settings('x') == {}
    assert models.answer('afno', image).picture is not None  # the page goes on


def test_examples_come_from_a_folder(tmp_path):
    assert example_images(None) == []
    with pytest.raises(FileNotFoundError, match='there are no images in'):
        example_images(str(tmp_path))
    for number in range(20):
        image_file(tmp_path, f'{number:02}.png', (8, 8))
    (tmp_path / 'notes.txt').write_text('')
    found = [Path(path).name for path in example_images(str(tmp_path))]
    assert found == [f'{number:02}.png' for number in (0, 2, 5, 7, 10, 12, 15, 17)]


def test_missing_models_and_gradio_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['demo.py', str(tmp_path)])
    monkeypatch.setitem(sys.modules, 'gradio', None)
    monkeypatch.delitem(sys.modules, 'demo_page.page', raising=False)
    with pytest.raises(SystemExit, match=r'needs gradio: pip install "afno-mm\[demo\]"'):
        demo.main()


def chromium():
    return next(
        filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None
    )


@pytest.fixture
def tab(models, tmp_path, monkeypatch):
    """The page in a headless browser."""
    pytest.importorskip('gradio', reason='the page needs gradio: pip install "afno-mm[demo]"')
    sync_api = pytest.importorskip(
        'playwright.sync_api', reason='the browser needs playwright: pip install playwright'
    )
    browser = chromium()
    if browser is None:
        pytest.skip('there is no Chromium: apt-get install chromium')
    monkeypatch.setenv('GRADIO_TEMP_DIR', str(tmp_path / 'gradio'))
    from demo_page.page import CSS, THEME, build

    example = image_file(tmp_path, 'example.png')
    page = build(models, [example])
    _, url, _ = page.launch(
        prevent_thread_lock=True, quiet=True, css=CSS, theme=THEME, allowed_paths=[example]
    )
    try:
        with sync_api.sync_playwright() as playwright:
            # Chromium refuses its sandbox to root, as in most containers.
            options = dict(executable_path=browser, args=['--no-sandbox'])
            tab = playwright.chromium.launch(**options).new_page(
                viewport=dict(width=1280, height=1000)
            )
            tab.set_default_timeout(30_000)
            tab.goto(url)
            yield tab
            tab.context.browser.close()
    finally:
        page.close()


@pytest.mark.slow
def test_the_page_in_a_browser(tab, tmp_path):
    facts = tab.locator('.facts')
    tab.set_input_files('input[type=file] >> nth=0', image_file(tmp_path))
    tab.wait_for_selector('.facts >> nth=1')
    assert all('64 x 96 pixels' in text for text in facts.all_inner_texts())
    assert tab.locator('.rows').first.inner_text().count('%') > 1
    # Another model.
    tab.get_by_label('Beside it').click()
    tab.get_by_role('option', name='vit').click()
    tab.wait_for_selector('text=/32 x 32 pixels/')
    # A slider.
    box = tab.locator('input[type=range]').first.bounding_box()
    tab.mouse.click(box['x'] + box['width'] * 0.9, box['y'] + box['height'] / 2)
    tab.wait_for_selector(r'text=/sparsity_threshold=0.3\d*, mode_fraction=1 in 5 mixers/')
    # A click on the prediction.
    tab.locator('.image-frame img, .image-container img').nth(1).click(position=dict(x=100, y=50))
    tab.wait_for_selector('text=/What afno sees from row/')
    assert tab.locator('.fields img').count() == 16
    # Back, and a bad file.
    tab.get_by_text('Back to the trained settings').click()
    tab.wait_for_function('() => !document.body.innerText.includes("in 5 mixers")')
    folder = Path(os.environ.get('AFNO_MM_SCREENSHOTS', tmp_path))
    tab.screenshot(path=folder / 'demo.png', full_page=True)
    assert np.asarray(Image.open(folder / 'demo.png')).std() > 20
    (tmp_path / 'bad.jpg').write_bytes(b'no image')
    tab.get_by_label('Clear').or_(tab.get_by_label('Remove Image')).first.click()
    tab.set_input_files('input[type=file] >> nth=0', tmp_path / 'bad.jpg')
    tab.wait_for_selector('text=/bad.jpg is not an image that can be read/')


def test_only_the_page_imports_gradio():
    tools = REPOSITORY / 'tools'
    files = [*(tools / 'look_inside').glob('*.py'), *(tools / 'demo_page').glob('*.py')]
    imports = re.compile('^(import|from) gradio', re.MULTILINE)
    using = [path.name for path in files if imports.search(path.read_text())]
    assert using == ['page.py']
