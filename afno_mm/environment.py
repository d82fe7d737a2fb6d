"""Names a broken installation, with the command that mends it, before anything else fails.

Looks at what pip knows; imports something only to confirm a suspicion. What is wanted is the
list in setup.py.
"""

from importlib import import_module, metadata

from packaging.requirements import Requirement
from packaging.version import Version

DISTRIBUTION = 'afno-mm'
# The maintained packages and the older ones that install the same modules. The last releases of
# the older ones cannot resume a training with torch >= 2.6.
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

    Not an ImportError: MMEngine passes over those when it looks for a scope.
    """


def check_environment():
    """Raise :class:`BrokenEnvironmentError` that lists all problems and what mends each.

    Installed packages are compared with the requirements of this one: two sets of OpenMMLab
    packages side by side, missing packages, versions out of range, torch and torchvision of
    different builds, an OpenCV without its system libraries.
    """
    try:
        wanted = metadata.requires(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        raise BrokenEnvironmentError(
            f'{DISTRIBUTION} is not installed. In its folder, run: pip install -e .'
        ) from None
    problems = find_problems([Requirement(r) for r in wanted], installed_version)
    problems = problems or torch_pair_problem() + opencv_problem()
    if problems:
        raise BrokenEnvironmentError(
            'this environment cannot work:\n'
            + '\n'.join(f'- {found}\n  run: {command}' for found, command in problems)
        )


def installed_version(name):
    """Version of an installed distribution, None if there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def find_problems(requirements, version_of):
    """What is installed against what is wanted.

    Args:
        requirements (list[Requirement]): Wanted; those of extras are passed over.
        version_of (callable): Distribution name -> version, or None if not installed.

    Returns:
        list[tuple[str, str]]: Each problem with the command that mends it.
    """
    problems = []
    for requirement in requirements:
        if requirement.marker and not requirement.marker.evaluate({'extra': ''}):
            continue
        name, version = requirement.name, version_of(requirement.name)
        wanted = f'{name}{requirement.specifier}'
        install = f'pip install "{wanted}"'
        older = [n for n in OLDER.get(name, ()) if version_of(n)]
        if older:
            found = ', '.join(f'{n} {version_of(n)}' for n in older)
            text = (
                f'{name} {version} and {found} are installed side by side and overwrite each other'
                if version
                else f'{found} is installed, wanted is its maintained continuation {wanted}'
            )
            stale = ' '.join([name] * bool(version) + older)
            problems.append((text, f'pip uninstall -y {stale} && {install}'))
        elif version is None:
            problems.append((f'{name} is not installed, wanted is {wanted}', install))
        elif not requirement.specifier.contains(Version(version).base_version):
            reason = f' ({REASONS[name]})' if name in REASONS else ''
            problems.append((f'{name} {version} is installed, wanted is {wanted}{reason}', install))
    return problems


def torch_pair_problem():
    """A torchvision built for another torch, whose operators fail to load ('nms does not exist').

    Returns:
        list[tuple[str, str]]: Empty, or the problem with the command that mends it.
    """
    torch, torchvision = installed_version('torch'), installed_version('torchvision')
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
            'are two from the same index',
            'pip uninstall -y torch torchvision && pip install torch torchvision',
        )
    ]


def opencv_problem():
    """An OpenCV that does not import: often its system libraries are missing, as in containers.

    Returns:
        list[tuple[str, str]]: Empty, or the problem with the command that mends it.
    """
    failure = _import_failure('cv2')
    if not failure:
        return []
    headless = (
        'pip uninstall -y opencv-python opencv-python-headless && '
        'pip install opencv-python-headless'
    )
    libraries = 'cannot open shared object' in failure
    return [
        (
            f'OpenCV (cv2) does not import: {failure}',
            'apt-get install -y libgl1 libglib2.0-0, or: ' * libraries + headless,
        )
    ]


def _import_failure(module):
    """The error on one line; empty if there is none."""
    try:
        import_module(module)
    except (ImportError, OSError, RuntimeError) as error:
        return ' '.join(str(error).split()) or type(error).__name__
    return ''
