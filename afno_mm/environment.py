"""Names a broken installation, with the command that mends it, before anything else fails.

Looks at what pip knows and imports nothing heavy. What is wanted is the list in setup.py.
"""
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

DISTRIBUTION = 'afno-mm'
# The maintained packages and the older upstream ones, which install the same modules.
UPSTREAM = {
    'onedl-mmengine': {'mmengine': '>=0.10.5', 'mmengine-lite': '>=0.10.5'},
    'onedl-mmcv': {'mmcv': '>=2.1,<2.2', 'mmcv-lite': '<0', 'mmcv-full': '<0'},
    'onedl-mmsegmentation': {'mmsegmentation': '>=1.2.2'},
    'onedl-mmpretrain': {'mmpretrain': '>=1.2', 'mmcls': '<0'},
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
    packages side by side, missing packages, versions out of range, and torch and torchvision
    of different builds.
    """
    try:
        wanted = metadata.requires(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        raise BrokenEnvironmentError(
            f'{DISTRIBUTION} is not installed. In its folder, run: pip install -e .') from None
    problems = find_problems([Requirement(r) for r in wanted], installed_version)
    problems = problems or torch_pair_problem(installed_version)
    if problems:
        raise BrokenEnvironmentError('this environment cannot work:\n' + '\n'.join(
            f'- {found}\n  run: {command}' for found, command in problems))


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
    problems, replace = [], []
    for requirement in requirements:
        if requirement.marker and not requirement.marker.evaluate({'extra': ''}):
            continue
        name = requirement.name
        version = version_of(name)
        older = {n: version_of(n) for n in UPSTREAM.get(name, ()) if version_of(n)}
        if older and version:
            packages = ', '.join(f'{n} {v}' for n, v in [(name, version), *older.items()])
            problems.append((f'{packages} are installed side by side and overwrite each other',
                             f'pip uninstall -y {name} {" ".join(older)} && '
                             f'pip install "{_pip_name(requirement)}"'))
        elif older:
            for other, found in older.items():
                specifier = UPSTREAM[name][other]
                if not SpecifierSet(specifier).contains(found, prereleases=True):
                    problems.append((f'{other} {found} is installed; this package works with '
                                     f'{_pip_name(requirement)}',
                                     f'pip uninstall -y {other} && '
                                     f'pip install "{_pip_name(requirement)}"'))
        elif version is None or not requirement.specifier.contains(version, prereleases=True):
            found = f'{name} is not installed' if version is None else f'{name} {version} is installed'
            reason = f' ({REASONS[name]})' if version and name in REASONS else ''
            problems.append((f'{found}, wanted is {_pip_name(requirement)}{reason}',
                             f'pip install "{_pip_name(requirement)}"'))
    return problems


def torch_pair_problem(version_of):
    """A torchvision built for another torch, which fails with 'nms does not exist'.

    Args:
        version_of (callable): Distribution name -> version, or None if not installed.

    Returns:
        list[tuple[str, str]]: Empty, or the problem with the command that mends it.
    """
    torch, torchvision = version_of('torch'), version_of('torchvision')
    exact = [Requirement(r) for r in metadata.requires('torchvision') or ()]
    exact = [r for r in exact if r.name == 'torch' and not r.marker]
    fits = all(r.specifier.contains(torch, prereleases=True) for r in exact)
    cpu_only = '+cpu' in torch and '+cpu' not in torchvision
    if fits and not (cpu_only and not _torchvision_imports()):
        return []
    kinds = ' (CPU-only torch, CUDA torchvision)' if cpu_only else ''
    return [(f'torch {torch} and torchvision {torchvision} are of different builds{kinds}',
             'pip uninstall -y torch torchvision && pip install torch torchvision')]


def _torchvision_imports():
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        return False
    return True


def _pip_name(requirement):
    return f'{requirement.name}{requirement.specifier}'
