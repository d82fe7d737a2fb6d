"""Sphinx builds the site from the Markdown pages in this folder.

    pip install -e ".[docs]"
    sphinx-build -W --keep-going docs work_dirs/site

The pages are written for GitHub and can be read there. This file adds what a site needs beyond
that: the menu, which it takes from the links in README.md; the text of the changelog and of
CONTRIBUTING.md; formulas as MathML. Building needs no network, and the pages load nothing from
elsewhere.
"""

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import latex2mathml.converter
from docutils import nodes

DOCS = Path(__file__).resolve().parent
REPOSITORY = DOCS.parent
sys.path.insert(0, str(REPOSITORY))

version: Any = {}
exec((REPOSITORY / 'afno_mm/version.py').read_text(), version)
project, release = 'afno_mm', version['__version__']
author = copyright = 'afno_mm contributors'
version = release

extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon']
root_doc = 'README'
html_theme = 'furo'
html_title = f'afno_mm {release}'
html_copy_source = False
html_math_renderer = 'mathml'
myst_heading_anchors = 4
myst_fence_as_directive = ['math']
autodoc_member_order = 'bysource'
# Docstrings of upstream's classes are in upstream's format.
autodoc_inherit_docstrings = False
autodoc_default_options = {'members': True, 'exclude-members': 'extra_repr'}
napoleon_use_rtype = False

# Pages that show a file outside docs/. On GitHub they are a link to it.
SHOWN = {'changelog': REPOSITORY / 'CHANGELOG.md', 'contributing': REPOSITORY / 'CONTRIBUTING.md'}
# A Markdown link that is no picture: its text and its target.
LINK = re.compile(r'(?<!!)\[([^\]]*)\]\(([^)\s]+)\)')


def read_source(app: Any, name: str, source: list[str]) -> None:
    """Prepare the text of a page before Sphinx reads it."""
    page = SHOWN.get(name, DOCS / f'{name}.md')
    text = page.read_text(encoding='utf-8')
    parts = re.split(r'(^ *```.*?^ *```$)', text, flags=re.MULTILINE | re.DOTALL)
    parts[::2] = [
        LINK.sub(lambda link: site_link(page, name, *link.groups()), p) for p in parts[::2]
    ]
    source[0] = ''.join(parts) + menu(DOCS / f'{name}.md', text)


def site_link(page: Path, name: str, label: str, target: str) -> str:
    """Return a link as the site needs it: to a page, or the name of a file that has no page."""
    path, _, anchor = target.partition('#')
    if '://' in target or not path:
        return f'[{label}]({target})'
    file = (page.parent / path).resolve()
    shown = {file: DOCS / f'{name}.md' for name, file in SHOWN.items()}
    file = shown.get(file, file)
    if DOCS in file.parents:
        there = os.path.relpath(file, (DOCS / name).parent)
        return f'[{label}]({there}{"#" * bool(anchor)}{anchor})'
    known = str(file.relative_to(REPOSITORY))
    return f'`{known}`' if label.strip('`') in known else f'{label} (`{known}`)'


def menu(page: Path, text: str) -> str:
    """Return the menu of a page: what README.md links to, or the pages in the page's folder."""
    groups: list[tuple[str, list[str]]] = []
    if page == DOCS / 'README.md':
        sections = re.split(r'^## (.+)$', text, flags=re.MULTILINE)[1:]
        for caption, body in zip(sections[::2], sections[1::2]):
            groups.append((caption, [target for _, target in LINK.findall(body)]))
    elif page.with_suffix('').is_dir():
        start = f'{page.stem}/'
        groups.append(('', [t for _, t in LINK.findall(text) if t.startswith(start)]))
    result = ''
    for caption, targets in groups:
        pages = dict.fromkeys(t.removesuffix('.md') for t in targets if t.endswith('.md'))
        lines = [f':caption: {caption}'] * bool(caption) + [':hidden:', '', *pages]
        result += '\n\n```{toctree}\n' + '\n'.join(lines) + '\n```\n'
    return result


def escape_stars(app: Any, what: str, name: str, object: Any, options: Any, lines: list) -> None:
    """Let ``*args, **kwargs:`` name two arguments. Napoleon would read bold type."""
    lines[:] = [line.replace('*args, **kwargs:', 'args, kwargs:') for line in lines]


def make_index(app: Any, error: Exception | None) -> None:
    """Make the first page index.html."""
    if error is None and app.builder.name == 'html':
        shutil.copy(Path(app.outdir, 'README.html'), Path(app.outdir, 'index.html'))


def draw_formula(self: Any, node: nodes.Node) -> None:
    """Write a formula as MathML, which browsers draw themselves."""
    display = 'block' if isinstance(node, nodes.math_block) else 'inline'
    self.body.append(latex2mathml.converter.convert(node.astext(), display=display))
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Connect the functions above."""
    app.add_html_math_renderer('mathml', (draw_formula, None), (draw_formula, None))
    app.connect('source-read', read_source)
    app.connect('autodoc-process-docstring', escape_stars, priority=1)
    app.connect('build-finished', make_index)
