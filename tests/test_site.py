"""The site builds from the pages in docs/, and its special pages are complete and right."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from afno_mm.engine import build_model, read_config
from afno_mm.engine.safety import check_settings
from afno_mm.mixers import build_mixer
from afno_mm.registry import MODELS
from running import REPOSITORY

sys.path.insert(0, str(REPOSITORY / 'docs'))
import draw_mixers  # noqa: E402
import messages  # noqa: E402

DOCS = REPOSITORY / 'docs'
SHELL = re.compile(r'<!-- run by: tests/test_site.py -->\n```bash\n(.*?)^```$', re.M | re.DOTALL)
RUN_HERE = [
    pytest.param(code, id=f'{page.stem}')
    for page in sorted(DOCS.rglob('*.md'))
    for code in SHELL.findall(page.read_text())
]
EXAMPLES = re.findall(
    r'^```python\n(_base_.*?)^```$', (DOCS / 'configs.md').read_text(), re.M | re.S
)
PARAMETERS = {
    'afno': (dict(type='AFNO', num_blocks=4), lambda d: 4 * d**2 / 4 + 4 * d),
    'gfn': (dict(type='GFN', grid_size=(6, 9)), lambda d: 2 * 6 * (9 // 2 + 1) * d),
    'fno': (dict(type='FNO', num_modes=(3, 2)), lambda d: 4 * 3 * 2 * d**2),
    'static_afno': (
        dict(type='StaticAFNO', num_blocks=4, num_modes=(3, 2)),
        lambda d: 4 * 3 * 2 * d**2 / 4,
    ),
    'ls': (
        dict(type='LS', num_heads=2, num_landmarks=8),
        lambda d: 4 * d**2 + 8 * d + (d + 1) * 2 * 8,
    ),
    'esa': (dict(type='ESA', num_heads=2, sr_ratio=4), lambda d: (4 + 4**2) * d**2 + 7 * d),
    'sa': (dict(type='SA', num_heads=2), lambda d: 4 * d**2 + 4 * d),
    'identity': (dict(type='Identity'), lambda d: 0),
}
FORMULAS = {
    'afno': '4 d²/k + 4 d',
    'gfn': '2 H (⌊W/2⌋ + 1) d',
    'fno': '4 m₁ m₂ d²',
    'static_afno': '4 m₁ m₂ d²/k',
    'ls': '4 d² + 8 d + (d + 1) h r',
    'esa': '(4 + R²) d² + 7 d',
    'sa': '4 d² + 4 d',
}


# Troubleshooting by messages.


def test_each_message_of_the_package_has_an_entry():
    lacking = [f'{m.file}:{m.line} {messages.flat(m.text)}' for m in messages.lacking()]
    assert not lacking, 'python docs/messages.py prints rows for docs/troubleshooting'


def test_each_entry_is_of_a_message():
    texts = [message.text for message in messages.messages()]
    entries = messages.entries()
    stale = [e for e in entries if not any(messages.matches(e, text) for text in texts)]
    assert len(entries) > 250 and not stale


def test_texts_that_are_put_together_elsewhere_are_known():
    assert not messages.unresolved()


def test_a_message_without_an_entry_is_seen(tmp_path, monkeypatch):
    (tmp_path / 'tools').mkdir()
    (tmp_path / 'tools/x.py').write_text(
        '"""A module."""\n'
        'def f(x):\n'
        '    """Raise ValueError if the value of x is wrong."""\n'
        '    if x:\n'
        '        raise ValueError(f"the size {x} is not even: " "add one")\n'
        '    logger.warning("nothing was found in %s today", x)\n'
        '    text = "is put together elsewhere"\n'
        '    raise ValueError(text)\n'
    )
    pages = tmp_path / 'pages'
    pages.mkdir()
    (pages / 'a.md').write_text('| message | what to do |\n|---|---|\n| `is not even: add` | x |\n')
    monkeypatch.setattr(messages, 'REPOSITORY', tmp_path)
    monkeypatch.setattr(messages, 'PAGES', pages)
    assert [m.text for m in messages.lacking()] == ['nothing was found in ... today\n...']
    assert [m.line for m in messages.unresolved()] == [8]


def test_an_entry_matches_in_order_and_not_by_a_few_letters():
    text = 'the file ... has ... of ... rows'
    assert messages.matches('the file ... has ... of', text)
    assert not messages.matches('has ... the file', text)
    assert not messages.matches('has ...', text)
    assert messages.matches('no image', 'no image ...')


# Mixers.


def test_pages_of_mixers_have_a_figure_and_the_same_sections():
    import afno_mm.mixers as mixers

    names = {name for name in mixers.__all__ if MODELS.get(f'afno_mm.{name}')}
    titles = {path.read_text().partition('\n')[0][2:] for path in (DOCS / 'mixers').glob('*.md')}
    assert titles <= names and len(titles) >= 8 and {*PARAMETERS} <= {*draw_mixers.MIXERS}
    for page in (DOCS / 'mixers').glob('*.md'):
        text = page.read_text()
        headings = re.findall('^## (.+)$', text, re.M)
        assert headings[:4] == ['What it reads', 'Cost', 'When to take it', 'Settings']
        assert '```math' in text and f'({page.stem}.jpg)' in text


@pytest.mark.parametrize('name', PARAMETERS)
def test_formulas_of_parameters_are_right(name):
    config, formula = PARAMETERS[name]
    count = sum(p.numel() for p in build_mixer(dict(config), embed_dims=16).parameters())
    assert count == formula(16)
    for page in (DOCS / f'mixers/{name}.md', DOCS / 'mixers.md'):
        assert FORMULAS.get(name, '') in page.read_text()


RESULTS = (REPOSITORY / 'benchmarks/results/cpu_fp32.md').read_text()
ROWS = {'afno': 'AFNO cpu', 'gfn': 'GFN', 'fno': 'FNO', 'ls': 'LS', 'esa': 'ESA', 'sa': 'SA'}


def measured(size: str, row: str) -> tuple[str, str]:
    """Return the medians of forward, and of forward + backward, in a table of the results."""
    table = RESULTS.split(f' {size}/')[1].split('###')[0]
    cells = re.search(rf'^\| {row}(?: \*)? \| (.*) \|$', table, re.M)[1].split(' | ')
    return cells[0].split(' ±')[0], cells[3].split(' ±')[0]


@pytest.mark.parametrize('name', ROWS)
def test_times_are_those_of_the_committed_results(name):
    text = (DOCS / f'mixers/{name}.md').read_text()
    tables = re.split('On 25 % of the modes:', text)
    for part, row in zip(tables, (ROWS[name], 'AFNO-25% cpu')):
        times = re.findall(r'^\| (\d+x\d+x\d+) \| (\S+) \| (\S+) \|$', part, re.M)
        assert len(times) >= 2
        assert all(
            measured(size, row) == found for size, *found in times for found in [tuple(found)]
        )
    overview = (DOCS / 'mixers.md').read_text()
    assert ' | '.join(measured('64x64x440', ROWS[name])) in overview


@pytest.mark.parametrize('name', ['AFNO', 'AFNO on 25 % of the modes', 'GFN', 'LS', 'ESA', 'SA'])
def test_operations_are_those_of_the_page_on_the_paper(name):
    row = re.search(
        rf'^\| (?:Table 4.*: )?{name} \| .*M \| 45M \|.*$', (DOCS / 'paper.md').read_text(), re.M
    )
    count = row[0].split(' | ')[4]
    short = name.replace(' on', ',')
    assert (
        f' | {count} | '
        in re.search(rf'^\| {short} \|.*$', (DOCS / 'mixers.md').read_text(), re.M)[0]
    )


def test_figures_show_what_their_captions_say():
    middle, border, gain = draw_mixers.measure(draw_mixers.MIXERS['identity'])
    assert middle[draw_mixers.MIDDLE] == 1 and (middle > 0).sum() == 1
    *_, gain = draw_mixers.measure(draw_mixers.MIXERS['fno'])
    assert gain[16, 16] > 0.1 and gain[16, 23:].max() < 1e-3 and gain[:9].max() < 1e-3
    middle, border, gain = draw_mixers.measure(draw_mixers.MIXERS['afno'])
    assert middle.min() > 0.01 and gain.min() > 0.3
    # The row of the token has its even neighbours dark, as the kernel of a Hilbert transform.
    assert middle[16, 17] > 3 * middle[16, 18]
    middle, *_ = draw_mixers.measure(draw_mixers.MIXERS['ls'])
    assert (middle > 0.4).sum() == 64  # a window of 4 x 4 and 2 tokens on each side


# Configs and commands.


@pytest.mark.parametrize('number', range(1, len(EXAMPLES)))
def test_example_configs_build_models(number, tmp_path):
    (tmp_path / 'configs').symlink_to(REPOSITORY / 'configs')
    path = tmp_path / 'example.py'
    path.write_text(EXAMPLES[number])
    cfg = read_config(str(path))
    check_settings(cfg)
    model = build_model(cfg, None, 'cpu')
    if 'LS' in EXAMPLES[number]:
        assert any(type(module).__name__ == 'LS' for module in model.modules())


def test_the_first_example_config_is_the_file_that_it_explains():
    shown = re.sub('  # .*', '', EXAMPLES[0])
    assert shown in (REPOSITORY / 'configs/segformer_afno_b3_cityscapes.py').read_text()


@pytest.mark.slow
@pytest.mark.parametrize('code', RUN_HERE)
def test_commands_of_pages_run(code):
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ['PATH']])
    environment = dict(os.environ, PATH=path, PYTHONPATH=str(REPOSITORY))
    run = subprocess.run(
        ['bash', '-ec', code], cwd=REPOSITORY, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert 'SegformerHead' in run.stdout or torch.__version__ in run.stdout


# The site.


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """The folder of the built site. A warning of Sphinx is an error."""
    for package in ('sphinx', 'myst_parser', 'furo', 'latex2mathml'):
        pytest.importorskip(package, reason=f'no {package}: pip install -e ".[docs]"')
    folder = tmp_path_factory.mktemp('site')
    out, kept = folder / 'site', folder / 'doctrees'
    run = subprocess.run(
        [sys.executable, '-m', 'sphinx', '-W', '--keep-going', '-q', '-d', kept, DOCS, out],
        env=dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=str(REPOSITORY)),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-5000:]
    return out


@pytest.mark.slow
def test_the_site_has_all_pages_in_its_menu(site):
    index = (site / 'index.html').read_text()
    for page in DOCS.rglob('*.md'):
        name = str(page.relative_to(DOCS).with_suffix('.html'))
        assert (site / name).is_file()
        if name != 'README.html':
            assert f'href="{name}"' in index


@pytest.mark.slow
def test_pages_load_nothing_from_elsewhere(site):
    for page in site.rglob('*.html'):
        text = page.read_text()
        loaded = re.findall(r'<(?:script|img|iframe)[^>]* src="([^"]+)"', text)
        loaded += re.findall(r'<link[^>]* rel="stylesheet"[^>]* href="([^"]+)"', text)
        assert not [target for target in loaded if '//' in target], page


@pytest.mark.slow
def test_formulas_changelog_and_links_to_files_are_in_the_site(site):
    assert '<math' in (site / 'mixers/afno.html').read_text()
    assert '0.2.0' in (site / 'changelog.html').read_text()
    links = re.findall(r'<a [^>]*href="([^"#:?]+)[^":]*"', (site / 'mixers.html').read_text())
    assert len(links) > 30
    assert not [link for link in links if not (site / link).exists()]


@pytest.mark.slow
def test_the_reference_has_every_public_name(site):
    for page in (DOCS / 'api').glob('*.md'):
        name = re.search(r'automodule:: (\S+)', page.read_text())[1]
        html = (site / f'api/{page.stem}.html').read_text()
        public = importlib.import_module(name).__all__
        undocumented = [n for n in public if f'id="{name}.{n}"' not in html]
        assert not undocumented, name


def test_the_reference_has_every_public_part_of_the_package():
    parts = {path.parent.name for path in Path(REPOSITORY / 'afno_mm').glob('*/__init__.py')}
    assert parts <= {path.stem for path in (DOCS / 'api').glob('*.md')}
