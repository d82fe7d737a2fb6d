"""The version is the same in every file that names it."""

import re
from pathlib import Path

from afno_mm import __version__

REPOSITORY = Path(__file__).parents[1]


def test_citation_and_changelog_name_the_version_of_the_package():
    citation = (REPOSITORY / 'CITATION.cff').read_text()
    assert re.search(r'^version: (.*)$', citation, re.MULTILINE)[1] == __version__
    changelog = (REPOSITORY / 'CHANGELOG.md').read_text()
    assert re.search(r'^## (\S+)', changelog, re.MULTILINE)[1] == __version__
