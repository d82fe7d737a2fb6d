"""Check the installed packages when afno_mm is imported, before anything else fails.

Every problem is reported with the command that solves it. The requirements are those of
setup.py. The check reads pip's metadata; it imports a package only to confirm a suspicion.
"""

from collections.abc import Callable, Iterable
from importlib import import_module, metadata

from packaging.requirements import Requirement
from packaging.version import Version

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

    Not an ImportError: MMEngine ignores those when it imports the packages of a scope.
    """


def check_environment() -> None:
    """Compare the installed packages with the requirements of afno_mm.

    Finds missing packages, versions out of range, two sets of OpenMMLab packages side by side,
    torch and torchvision of different builds, and an OpenCV that does not import.

    Raises:
        BrokenEnvironmentError: If there are problems. Lists all of them, with a command each.
    """
    try:
        wanted = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        raise BrokenEnvironmentError(
            f'{DISTRIBUTION} is not installed. In its folder, run: pip install -e .'
        ) from None
    problems = find_problems([Requirement(r) for r in wanted], installed_version)
    problems = problems or torch_pair_problem() + opencv_problem()
    if problems:
        raise BrokenEnvironmentError(
            'afno_mm cannot work with these packages:\n'
            + '\n'.join(f'- {found}\n  run: {command}' for found, command in problems)
        )


def installed_version(name: str) -> str | None:
    """Return the version of an installed distribution, or None if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def find_problems(
    requirements: Iterable[Requirement], version_of: Callable[[str], str | None]
) -> list[tuple[str, str]]:
    """Compare installed versions with requirements.

    Args:
        requirements: What afno_mm needs. Requirements of extras are ignored.
        version_of: Returns the version of a distribution, or None if it is not installed.

    Returns:
        Pairs (problem, command that solves it).
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


def torch_pair_problem() -> list[tuple[str, str]]:
    """Find a torchvision built for another torch ('operator torchvision::nms does not exist').

    Returns no pair, or one pair (problem, command).
    """
    torch, torchvision = metadata.version('torch'), metadata.version('torchvision')
    needs = [Requirement(r) for r in metadata.requires('torchvision') or ()]
    fits = all(
        r.specifier.contains(Version(torch).base_version)
        for r in needs
        if r.name == 'torch' and not r.marker
    )
    build, other_build = torch.partition('+')[2], torchvision.partition('+')[2]
    if fits and (build == other_build or not _import_failure('torchvision')):
        return []
    kinds = ' (CPU-only torch, CUDA torchvision)' if build == 'cpu' else ''
    return [
        (
            f'torch {torch} and torchvision {torchvision} are of different builds{kinds}; wanted '
            'both from the same index',
            'pip uninstall -y torch torchvision && pip install torch torchvision',
        )
    ]


def opencv_problem() -> list[tuple[str, str]]:
    """Find an OpenCV that does not import. Containers often miss its system libraries.

    Returns no pair, or one pair (problem, command).
    """
    failure = _import_failure('cv2')
    if not failure:
        return []
    command = (
        'pip uninstall -y opencv-python opencv-python-headless && '
        'pip install opencv-python-headless'
    )
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
