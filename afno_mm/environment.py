"""Check the installed packages when afno_mm is imported, before anything else fails.

The requirements are those of setup.py. The check reads pip's metadata. If this shows no problem,
the check imports cv2, and also torchvision if torch is of another build.
"""

import os
import sys
from collections.abc import Callable, Iterable
from importlib import import_module, metadata

from packaging.requirements import Requirement
from packaging.version import Version

Problem = tuple[str, str]  # what was found, and the command that solves it
DISTRIBUTION = 'afno-mm'
# Maintained package -> older packages that install the same modules. The last releases of the
# older ones cannot resume a training with torch >= 2.6.
OLDER = {
    'onedl-mmengine': ('mmengine', 'mmengine-lite'),
    'onedl-mmcv': ('mmcv', 'mmcv-lite', 'mmcv-full'),
    'onedl-mmsegmentation': ('mmsegmentation',),
    'onedl-mmpretrain': ('mmpretrain', 'mmcls'),
}
REASONS = {
    'numpy': 'cityscapesscripts calls np.in1d, which numpy 2.4 removed',
    'pillow': 'cityscapesscripts writes PNGs of mode I, which Pillow 13 cannot',
}


class BrokenEnvironmentError(RuntimeError):
    """The installed packages cannot work together.

    It is no ImportError, because MMEngine ignores ImportErrors when it imports a scope's package.
    """


def check_environment() -> None:
    """Compare the installed packages with the requirements of afno_mm.

    Find missing packages, versions out of range, and two sets of OpenMMLab packages side by side.
    If there are none, find torch and torchvision of different builds, and a broken OpenCV.

    Raises:
        BrokenEnvironmentError: If problems are found. It lists them, with a command for each.
    """
    try:
        wanted = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        raise BrokenEnvironmentError(
            f'{DISTRIBUTION} is not installed. In its folder, run: pip install -e .'
        ) from None
    problems = find_problems(map(Requirement, wanted), installed_version)
    problems = problems or torch_pair_problem() + opencv_problem()
    if problems:
        lines = [f'- {found}\n  run: {command}' for found, command in problems]
        text = '\n'.join(['afno_mm cannot work with these packages:', *lines])
        raise BrokenEnvironmentError(text)


def is_command() -> bool:
    """Return whether this process is the console script ``afno-mm``."""
    return os.path.basename((getattr(sys, 'argv', None) or [''])[0]) == DISTRIBUTION


def installed_version(name: str) -> str | None:
    """Return the version of a distribution, or None if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def find_problems(
    requirements: Iterable[Requirement], version_of: Callable[[str], str | None]
) -> list[Problem]:
    """Return a problem for each requirement that the installed versions do not meet.

    ``version_of(name)`` returns the installed version. Requirements of extras are ignored.
    """
    problems = []
    for requirement in requirements:
        if requirement.marker and not requirement.marker.evaluate({'extra': ''}):
            continue
        name, version = requirement.name, version_of(requirement.name)
        wanted = f'{name}{requirement.specifier}'
        install = f'pip install "{wanted}"'
        older = [n for n in OLDER.get(name, ()) if version_of(n)]
        found = ', '.join(f'{n} {version_of(n)}' for n in older)
        if older and version:
            text = f'{name} {version} and {found} are both installed and overwrite each other'
            problems.append((text, f'pip uninstall -y {" ".join([name, *older])} && {install}'))
        elif older:
            text = f'found {found}; wanted its maintained continuation {wanted}'
            problems.append((text, f'pip uninstall -y {" ".join(older)} && {install}'))
        elif version is None:
            problems.append((f'{name} is not installed; wanted {wanted}', install))
        elif not requirement.specifier.contains(Version(version).base_version):
            reason = f' ({REASONS[name]})' if name in REASONS else ''
            problems.append((f'found {name} {version}; wanted {wanted}{reason}', install))
    return problems


def torch_pair_problem() -> list[Problem]:
    """Find a torchvision built for another torch ('operator torchvision::nms does not exist')."""
    torch, torchvision = metadata.version('torch'), metadata.version('torchvision')
    needs = map(Requirement, metadata.requires('torchvision') or ())
    wanted = [r.specifier for r in needs if r.name == 'torch' and not r.marker]
    fits = all(specifier.contains(Version(torch).base_version) for specifier in wanted)
    build, other_build = torch.partition('+')[2], torchvision.partition('+')[2]
    if fits and (build == other_build or not _import_failure('torchvision')):
        return []
    kinds = ' (CPU-only torch, CUDA torchvision)' if build == 'cpu' else ''
    found = (
        f'torch {torch} and torchvision {torchvision} are of different builds{kinds}; wanted '
        'both from the same index'
    )
    return [(found, 'pip uninstall -y torch torchvision && pip install torch torchvision')]


def opencv_problem() -> list[Problem]:
    """Find an OpenCV that does not import. Containers often miss its system libraries."""
    failure = _import_failure('cv2')
    if not failure:
        return []
    headless = 'opencv-python-headless'
    command = f'pip uninstall -y opencv-python {headless} && pip install {headless}'
    if 'cannot open shared object' in failure:
        command = f'apt-get install -y libgl1 libglib2.0-0, or: {command}'
    return [(f'OpenCV (cv2) does not import: {failure}', command)]


def _import_failure(module: str) -> str:
    """Import a module. Return the error on one line, or '' if there is none."""
    try:
        import_module(module)
    except (ImportError, OSError, RuntimeError) as error:
        return ' '.join(str(error).split()) or type(error).__name__
    return ''
