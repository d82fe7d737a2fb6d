"""The pages name only what exists, and name all of it.

A block of shell commands in a page says in a comment before it which tests run it, at a small size
(``<!-- run by: tests/FILE.py -->``), or why none does (``<!-- not run: needs Cityscapes -->``).
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
INDEXES = ('README.md', 'docs/README.md')
PAGES = [
    str(path.relative_to(REPOSITORY))
    for pattern in ('*.md', 'data/*.md', 'docs/**/*.md')
    for path in sorted(REPOSITORY.glob(pattern))
]
# A changelog may name files that no longer exist.
CURRENT_PAGES = [page for page in PAGES if page != 'CHANGELOG.md']
CONFIGS = {path.stem for path in (REPOSITORY / 'configs').glob('*.py')}
SCRIPTS = sorted(
    str(path.relative_to(REPOSITORY))
    for folder in ('tools', 'data', 'benchmarks')
    for path in (REPOSITORY / folder).glob('*.*')
    if path.suffix in ('.py', '.sh')
)

LINK = re.compile(r'\]\(([^)\s]+)\)')
HEADING = re.compile(r'^#+ (.+)$', re.MULTILINE)
CODE_BLOCK = re.compile(r'^```(\w*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
FILE = re.compile(
    r'(?<![\w/.-])(?:afno_mm|benchmarks|configs|data|docs|tests|tools)/[\w{},.*/-]+\.(?:py|sh|md|json)'
)
CONFIG = re.compile(r'(?<![\w/.])(?:deeplabv3plus|mit|segformer|swin|vit)_[\w{},*]+')
# The comment before a block of shell commands, if there is one, and the commands.
SHELL_BLOCK = re.compile(
    r'^(?: *<!-- (.*?) -->\n)?^ *```(?:bash|sh|shell|console)\n(.*?)^ *```$',
    re.MULTILINE | re.DOTALL,
)
# What holds for the blocks of pages without such comments.
WHOLE_PAGES = {
    'README.md': 'not run: trains for minutes, needs Cityscapes; CI runs its last command',
    'CONTRIBUTING.md': 'not run: installs packages; CI runs tools/run_tests.sh',
    'docs/performance.md': 'not run: takes hours; tests/benchmarks/test_benchmark_mixers.py '
    'measures small mixers',
}
SCRIPT = re.compile(r'(?:tools|data|benchmarks)/\w+\.(?:py|sh)')
OPTION = re.compile(r'`(--[a-z-]+)')
DEFINED_OPTION = re.compile(r"\badd(?:_argument)?\(\s*'(--[a-z-]+)'")


def read(page: str) -> str:
    return (REPOSITORY / page).read_text(encoding='utf-8')


def prose(page: str) -> str:
    """Return a page without its code blocks."""
    return CODE_BLOCK.sub('', read(page))


def anchors(page: str) -> set[str]:
    """Return the anchors that GitHub makes of the headings of a page."""
    headings = (heading.lower() for heading in HEADING.findall(prose(page)))
    return {re.sub(r'[^\w\- ]', '', heading).replace(' ', '-') for heading in headings}


def relative_links(page: str) -> Iterator[tuple[str, str]]:
    """Yield the file, from the root of the repository, and the anchor of each relative link."""
    for link in LINK.findall(prose(page)):
        if '://' in link:
            continue
        path, _, anchor = link.partition('#')
        target = (REPOSITORY / page).parent / path if path else REPOSITORY / page
        yield str(target.resolve().relative_to(REPOSITORY)), anchor


def expand_braces(text: str) -> list[str]:
    """Expand ``a{b,c}`` to ``['ab', 'ac']``, as a shell does."""
    found = re.search(r'\{([^{}]*)\}', text)
    if not found:
        return [text]
    start, end = text[: found.start()], text[found.end() :]
    return [name for choice in found[1].split(',') for name in expand_braces(start + choice + end)]


def is_example(path: str) -> bool:
    """Return whether a path is one that the reader replaces, as configs/my_config.py."""
    return bool(re.search(r'(?:my|your)_|[A-Z].*\.py$', path))


def missing(names: list[str], folder: Path, suffix: str = '') -> list[str]:
    """Return which names, with braces and ``*``, match no file in a folder."""
    return [
        name
        for given in names
        for name in expand_braces(given)
        if not any(folder.glob(name + suffix))
    ]


@pytest.mark.parametrize('page', PAGES)
def test_links_lead_to_files_and_headings(page):
    broken = [
        f'{target}#{anchor}'
        for target, anchor in relative_links(page)
        if not (REPOSITORY / target).exists() or (anchor and anchor not in anchors(target))
    ]
    assert not broken


@pytest.mark.parametrize('page', CURRENT_PAGES)
def test_named_files_exist(page):
    named = [path for path in FILE.findall(read(page)) if not is_example(path)]
    assert not missing(named, REPOSITORY)


@pytest.mark.parametrize('page', CURRENT_PAGES)
def test_named_configs_exist(page):
    named = [name.rstrip(',') for name in CONFIG.findall(read(page))]
    assert not missing(named, REPOSITORY / 'configs', '.py')


@pytest.mark.parametrize('page', CURRENT_PAGES)
def test_python_examples_parse(page):
    for language, code in CODE_BLOCK.findall(read(page)):
        if language == 'python':
            ast.parse(code)


def shell_blocks() -> list:
    """Return the page, the comment and the commands of each block of shell commands."""
    return [
        pytest.param(page, comment or WHOLE_PAGES.get(page, ''), code, id=f'{page}-{number}')
        for page in CURRENT_PAGES
        for number, (comment, code) in enumerate(SHELL_BLOCK.findall(read(page)), 1)
    ]


def commands_of(code: str) -> list[str]:
    """Return the lines of a block, continued lines joined, without comments."""
    lines = re.sub(r'\\\n', ' ', code).splitlines()
    return [re.sub(r'(?:^|\s)#.*', '', line).strip() for line in lines]


@pytest.mark.parametrize('page,comment,code', shell_blocks())
def test_a_shell_block_says_what_runs_it_or_why_nothing_does(page, comment, code):
    kind, _, text = comment.partition(': ')
    assert kind in ('run by', 'not run') and text, f'{page}: no such comment before\n{code}'
    tests = re.findall(r'tests/[\w/]+\.py', text)
    assert tests or kind == 'not run'
    sources = [read(test) for test in tests]
    # A test that runs a block names one of its scripts, or reads the page.
    known = [page, *(Path(script).stem for script in SCRIPT.findall(code))]
    known += re.findall(r'afno_mm\.\w+', code) + ['docs/']
    if kind == 'run by':
        assert all(any(word in source for word in known) for source in sources)


@pytest.mark.parametrize('page,comment,code', shell_blocks())
def test_shell_commands_have_scripts_options_and_syntax_that_exist(page, comment, code):
    checked = subprocess.run(['bash', '-n'], input=code, text=True, capture_output=True)
    assert checked.returncode == 0, checked.stderr
    for command in commands_of(code):
        scripts = SCRIPT.findall(command)
        assert not missing(scripts, REPOSITORY)
        # For some scripts argparse is told the options elsewhere: those of train.py, of torchrun.
        if len(scripts) == 1 and scripts[0].endswith('.py') and 'cfg-options' not in command:
            own = set(DEFINED_OPTION.findall(read(scripts[0]))) | options_of_the_engine()
            used = re.findall(r'\s(--[a-z][a-z-]*)', command)
            assert {*used} <= own, command


def test_the_readme_is_one_page():
    assert len(read('README.md').splitlines()) <= 150


def test_an_index_links_to_each_page():
    linked = {target for index in INDEXES for target, _ in relative_links(index)}
    # docs/mixers.md is the index of docs/mixers/.
    above = [f'{Path(page).parent}.md' for page in PAGES if page.count('/') == 2]
    above = [page for page in above if (REPOSITORY / page).is_file()]
    linked |= {target for index in {*above} for target, _ in relative_links(index)}
    assert {page for page in PAGES if page.startswith('docs/')} <= linked | set(INDEXES)


def test_a_page_links_to_each_picture():
    linked = {target for page in PAGES for target, _ in relative_links(page)}
    found = (REPOSITORY / 'docs').rglob('*.[jp][pn]g')
    pictures = {str(path.relative_to(REPOSITORY)) for path in found}
    assert pictures and pictures <= linked


def test_the_models_page_names_each_config():
    named = [name.rstrip(',') for name in CONFIG.findall(read('docs/models.md'))]
    assert {name for given in named for name in expand_braces(given)} == CONFIGS


def test_the_readme_has_the_cityscapes_table_of_the_models_page():
    def rows(page: str) -> list[str]:
        table = [line for line in read(page).splitlines() if '_cityscapes |' in line]
        return [line.replace(' (Fig. 1)', '') for line in table]

    assert rows('README.md') == rows('docs/models.md') != []


@pytest.mark.parametrize('script', SCRIPTS)
def test_the_tools_page_lists_each_script_with_its_options(script):
    rows = [line for line in read('docs/tools.md').splitlines() if line.startswith(f'| `{script}')]
    assert len(rows) == 1
    listed = set(OPTION.findall(rows[0]))
    own = set(DEFINED_OPTION.findall(read(script)))
    assert own <= listed <= own | options_of_the_engine()


def test_the_tools_page_lists_the_options_that_training_and_testing_share():
    before_the_tables = prose('docs/tools.md').split('\n| ')[0]
    assert set(OPTION.findall(before_the_tables)) == options_of_the_engine()


def options_of_the_engine() -> set[str]:
    files = (REPOSITORY / 'afno_mm/engine').rglob('*.py')
    return {option for file in files for option in DEFINED_OPTION.findall(file.read_text())}


def test_broken_links_files_and_configs_are_seen(tmp_path, monkeypatch):
    monkeypatch.setattr('test_docs.REPOSITORY', tmp_path)
    (tmp_path / 'docs').mkdir()
    (tmp_path / 'docs/page.md').write_text(
        '# A page\n[here](#a-page) [up](../README.md#top)\n'
        '```bash\n# no heading\ntools/{a,b}.py configs/vit_x.py\n```\nvit_{x,y}\n'
    )
    assert anchors('docs/page.md') == {'a-page'}
    assert list(relative_links('docs/page.md')) == [
        ('docs/page.md', 'a-page'),
        ('README.md', 'top'),
    ]
    text = read('docs/page.md')
    assert missing(FILE.findall(text), tmp_path) == ['tools/a.py', 'tools/b.py', 'configs/vit_x.py']
    assert missing(CONFIG.findall(text), tmp_path, '.py') == ['vit_x', 'vit_y']
