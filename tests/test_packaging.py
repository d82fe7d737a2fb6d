"""A wheel built from the source distribution carries configs and tools, as mim expects."""

import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def setup(folder, *arguments):
    subprocess.run([sys.executable, 'setup.py', '-q', *arguments], cwd=folder, check=True)


def test_wheel_of_the_source_distribution_has_configs_and_tools(tmp_path):
    setup(REPOSITORY, 'sdist', '--dist-dir', str(tmp_path))
    (archive,) = tmp_path.glob('*.tar.gz')
    shutil.unpack_archive(archive, tmp_path)
    (source,) = (p for p in tmp_path.iterdir() if p.is_dir())
    setup(source, 'build_py', '--build-lib', str(tmp_path / 'wheel'))
    mim = tmp_path / 'wheel/afno_mm/.mim'
    for name in ('configs', 'configs/_base_', 'configs/sweeps', 'tools'):
        wanted = {
            p.name
            for p in (REPOSITORY / name).iterdir()
            if p.suffix in ('.py', '.md') or p.name.startswith(('dist', 'slurm'))
        }
        assert wanted == {p.name for p in (mim / name).iterdir() if p.is_file()}
