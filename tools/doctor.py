"""Print what works on this machine, what is missing or broken, and the command that fixes it.

It checks packages, GPUs, the C compiler, Triton, the backends of AFNO, and the data sets below the
current folder. The exit code is 1 if something is broken. Missing parts do not count.
"""

import argparse
import importlib
import os
import platform
import shutil
import signal
import sys
import warnings
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

try:
    import afno_mm  # noqa: F401

    FAILURE = ''
except (ImportError, RuntimeError) as error:
    FAILURE = f'{type(error).__name__}: {error}'

INDENT = '\n' + ' ' * 11
OPENMMLAB = ('mmengine', 'mmcv', 'mmseg', 'mmpretrain')
# Shapes of tokens (B, H, W, C) for which the report shows AFNO's choice of a backend.
TOKENS = {
    'SegFormer-B0, stage 1, 512x512 pixels': (1, 128, 128, 88),
    'SegFormer-B0, stage 4, 512x512 pixels': (1, 16, 16, 256),
    'sides that are large primes': (1, 521, 523, 8),
}
CITYSCAPES_ADVICE = (
    'csDownload -d {root} leftImg8bit_trainvaltest.zip gtFine_trainvaltest.zip, unzip both there; '
    'or export CITYSCAPES_DATASET=/path/to/cityscapes'
)


class Finding(NamedTuple):
    """A line of the report. State: 'ok', 'missing', 'note' or 'BROKEN'. ``advice`` fixes it."""

    state: str
    text: str
    advice: str = ''

    def __str__(self) -> str:
        advice = f'{INDENT}run: {self.advice}' if self.advice else ''
        return f'  {self.state:8} {self.text}{advice}'


def packages() -> Iterator[Finding]:
    """Compare the installed packages with the requirements, and import OpenMMLab's packages."""
    yield Finding('ok', f'Python {platform.python_version()} at {sys.executable}')
    try:
        requirements = metadata.requires('afno-mm') or []
    except metadata.PackageNotFoundError:
        yield Finding('BROKEN', 'afno-mm is not installed', 'pip install -e .    (in its folder)')
        return
    if FAILURE:
        yield Finding('BROKEN', FAILURE.replace('\n', INDENT))
        return
    from afno_mm.environment import find_problems, installed_version
    from packaging.requirements import Requirement

    yield Finding('ok', f'afno-mm {metadata.version("afno-mm")}, from {afno_mm.__path__[0]}')
    for requirement in map(Requirement, requirements):
        if requirement.marker is None:
            found = f'{requirement.name} {installed_version(requirement.name)}'
            wanted = f', wanted {requirement.specifier}' if requirement.specifier else ''
            problems = find_problems([requirement], installed_version)
            yield from (Finding('BROKEN', *problem) for problem in problems)
            yield from () if problems else [Finding('ok', f'{found}{wanted}')]
    for module in OPENMMLAB:
        try:
            importlib.import_module(module)
        except Exception as error:
            yield Finding('BROKEN', f'{module} does not import: {type(error).__name__}: {error}')
    yield from extras(requirements)


def extras(requirements: list[str]) -> Iterator[Finding]:
    """Check the packages of each extra of afno-mm, and name the missing ones."""
    from afno_mm.environment import installed_version
    from packaging.requirements import Requirement

    names = metadata.metadata('afno-mm').get_all('Provides-Extra') or []
    for extra in sorted(set(names) - {'tests', 'lint'}):
        wanted = [
            r.name
            for r in map(Requirement, requirements)
            if r.marker and r.marker.evaluate({'extra': extra})
        ]
        lacking = [name for name in wanted if not installed_version(name)]
        if lacking:
            text = f'{", ".join(lacking)}, for the extra [{extra}]'
            yield Finding('missing', text, f'pip install "afno-mm[{extra}]"')
        else:
            yield Finding('ok', f'extra [{extra}]')


def custom_operators() -> Iterator[Finding]:
    """Say whether mmcv has its compiled operators."""
    from afno_mm.engine.custom_ops import ADVICE, has_custom_ops

    if has_custom_ops():
        yield Finding('ok', 'mmcv has its custom operators')
    else:
        text = 'mmcv has no custom operators. Only a few heads need them, no config of afno_mm does'
        yield Finding(
            'missing', '\n'.join([f'{text}.', *ADVICE.splitlines()]).replace('\n', INDENT)
        )


def accelerators() -> Iterator[Finding]:
    """List the processor and the GPUs that PyTorch sees."""
    import torch

    threads = f'{os.cpu_count()} cores, threads of PyTorch: {torch.get_num_threads()}'
    yield Finding('ok', f'processor: {platform.machine()}, {threads}')
    for index in range(torch.cuda.device_count()):
        gpu = torch.cuda.get_device_properties(index)
        capability = f'compute capability {gpu.major}.{gpu.minor}'
        memory = f'{gpu.total_memory / 2**30:.0f} GiB'
        yield Finding('ok', f'GPU {index}: {gpu.name}, {memory}, {capability}')
        try:
            torch.ones(2, device=f'cuda:{index}').sum().item()
        except RuntimeError as error:
            yield Finding('BROKEN', f'GPU {index} does not compute: {str(error).splitlines()[0]}')
    if not torch.cuda.is_available():
        if shutil.which('nvidia-smi') or Path('/proc/driver/nvidia').exists():
            text = f'there is an NVIDIA driver, but torch {torch.__version__} cannot use it'
            command = (
                'nvidia-smi    (which CUDA does it offer? https://pytorch.org has the command)'
            )
            yield Finding('BROKEN', text, command)
        else:
            yield Finding('note', 'no GPU: everything runs on the CPU')


def compilers() -> Iterator[Finding]:
    """Build AFNO's C library, and look for Triton."""
    from afno_mm.ops.afno.cpu import library
    from afno_mm.ops.afno.cpu import operator as cpu

    built = library.build(Path(cpu.__file__).with_name('afno.c'))
    if not isinstance(built, str):
        yield Finding('ok', f"AFNO's C library is built: {built._name}")
    else:
        compiler = shutil.which(os.environ.get('CC') or 'cc') or shutil.which('gcc')
        advice = '' if compiler else 'apt-get install -y gcc libc6-dev    (or set CC)'
        text = f"AFNO's C library is not built, and AFNO is slower on CPUs: {built}"
        yield Finding('BROKEN' if compiler else 'missing', text, advice)
    try:
        yield Finding('ok', f'Triton {importlib.import_module("triton").__version__}')
    except ImportError:
        yield Finding('missing', 'Triton, which only GPUs need', 'pip install triton')


def backends() -> Iterator[Finding]:
    """Say which backend AFNO takes for typical tokens, and compare its result with 'composed'."""
    import torch
    from afno_mm.ops.afno.dispatch import afno_operator, choose_backend

    devices = ['cpu'] + [f'cuda:{n}' for n in range(torch.cuda.device_count())]
    for device in devices:
        types = [torch.float32] if device == 'cpu' else [torch.float32, torch.bfloat16]
        for name, shape in TOKENS.items():
            for dtype in types:
                what = f'{device}, {str(dtype).partition(".")[2]}, {name} {shape}'
                try:
                    backend, reason = choose_backend(torch.zeros(shape, dtype=dtype, device=device))
                except ValueError as error:
                    advice = 'unset AFNO_MM_BACKEND AFNO_MM_PATH'
                    yield Finding('BROKEN', f'{what}: {error}', advice)
                    continue
                yield Finding('ok', f'{what}: {backend} ({reason})')
        x = torch.randn(1, 12, 10, 16)
        w1, w2 = 0.2 * torch.randn(2, 2, 2, 8, 8)
        tensors = [t.to(device) for t in (x, w1, torch.zeros(2, 2, 8), w2, torch.zeros(2, 2, 8))]
        try:
            results = [afno_operator(*tensors, 0.01, backend=b) for b in (None, 'composed')]
        except ValueError:
            continue  # reported above
        error = (results[0] - results[1]).abs().max().item() / results[1].abs().max().item()
        state = 'ok' if error < 5e-3 else 'BROKEN'
        text = f'{device}: the chosen backend differs from the composed one by {error:.1e}'
        yield Finding(state, text)


def data_sets() -> Iterator[Finding]:
    """Look for the data sets where the configs do."""
    places = (
        ('Cityscapes', 'CITYSCAPES_DATASET', 'data/cityscapes', cityscapes, CITYSCAPES_ADVICE),
        (
            'ImageNet',
            'IMAGENET_DATASET',
            'data/imagenet',
            folders_of_classes,
            'export IMAGENET_DATASET=/path/to/imagenet    (with train/<class>/ and val/<class>/)',
        ),
        ('example scenes', '', 'data/scenes', cityscapes, 'afno-mm make-scenes {root}'),
        ('example images', '', 'data/images', folders_of_classes, 'afno-mm make-images {root}'),
        ('example parts', 'PARTS_DATASET', 'data/parts', parts, 'afno-mm make-parts {root}'),
    )
    for name, variable, default, look, advice in places:
        root = Path(os.environ.get(variable) or default)
        if not root.is_dir():
            yield Finding('missing', f'{name}: no folder {root}', advice.format(root=root))
            continue
        state, text, command = look(root)
        command = advice if command == CITYSCAPES_ADVICE else command  # for the example scenes
        yield Finding(state, f'{name} in {root}: {text}', command.format(root=root))


def count(root: Path, pattern: str) -> int:
    return sum(1 for _ in root.glob(pattern))


def cityscapes(root: Path) -> tuple[str, str, str]:
    """Count images and labels in the layout of Cityscapes. Return state, text and command."""
    images, labels, ids = {}, {}, 0
    for split in ('train', 'val'):
        images[split] = count(root, f'leftImg8bit/{split}/*/*_leftImg8bit.png')
        labels[split] = count(root, f'gtFine/{split}/*/*_gtFine_labelTrainIds.png')
        ids += count(root, f'gtFine/{split}/*/*_gtFine_labelIds.png')
    text = ', '.join(f'{images[s]} {s} images with {labels[s]} labels' for s in images)
    if images == labels and all(images.values()):
        return 'ok', text, ''
    if all(images.values()) and ids:
        return 'missing', text, 'CITYSCAPES_DATASET={root} csCreateTrainIdLabelImgs'
    return 'missing', text, CITYSCAPES_ADVICE


def folders_of_classes(root: Path) -> tuple[str, str, str]:
    """Count the classes in the layout of ImageNet. Return state, text and command."""
    classes = {s: sum(1 for p in root.glob(f'{s}/*') if p.is_dir()) for s in ('train', 'val')}
    text = ', '.join(f'{number} classes in {split}/' for split, number in classes.items())
    if classes['train'] == classes['val'] > 0:
        return 'ok', text, ''
    return 'missing', f'{text}; wanted are folders train/<class>/ and val/<class>/', ''


def parts(root: Path) -> tuple[str, str, str]:
    """List the few-shot sets. Return state, text and command."""
    sets = [p.parents[1].name for p in sorted(root.glob('*/labels/train'))]
    return (
        ('ok', ', '.join(sets), '') if sets else ('missing', 'no sets', 'afno-mm make-parts {root}')
    )


SECTIONS = {
    'Packages': packages,
    'Custom operators of mmcv': custom_operators,
    'Processor and GPUs': accelerators,
    'Compilers': compilers,
    'Backends of AFNO': backends,
    'Data sets': data_sets,
}


def examine() -> Iterator[tuple[str, list[Finding]]]:
    """Yield each section's title and findings. Skip those that need afno_mm if it is broken."""
    for title, section in SECTIONS.items():
        if FAILURE and title not in ('Packages', 'Data sets'):
            continue
        try:
            yield title, list(section())
        except Exception as error:
            reason = f'this check failed: {type(error).__name__}: {error}'
            yield title, [Finding('BROKEN', reason)]


def parse_args() -> argparse.Namespace:
    example = 'afno-mm doctor'
    # Do not use the parser of the other tools: it is in afno_mm, which may not import.
    return argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f'example:\n  {example}',
    ).parse_args()


def main() -> None:
    parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # for: afno-mm doctor | head
    warnings.simplefilter('ignore')  # from importing mmcv and mmseg
    broken = 0
    for title, findings in examine():
        print(f'\n{title}', *findings, sep='\n', flush=True)
        broken += sum(finding.state == 'BROKEN' for finding in findings)
    if broken:
        raise SystemExit(f'\n{broken} broken: repair what is marked BROKEN, from the top')
    print('\nNothing is broken.')


if __name__ == '__main__':
    main()
