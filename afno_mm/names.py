"""Find configs by name, suggest the nearest name for a misspelled one, and list names.

Configs are named as their files in ``configs/``. ``model-index.yml`` and ``configs/metafile_*.yml``
list them for mim, MMEngine and MMPretrain; ``tools/write_model_index.py`` writes these files.
"""

import difflib
import fnmatch
from collections.abc import Iterable, Sequence
from pathlib import Path

# Names of at least this similarity (0 to 1) count as misspellings of each other.
CLOSE = 0.75
INDEX = 'model-index.yml'


def nearest(name: str, known: Iterable[str], cutoff: float = CLOSE) -> str | None:
    """Return the most similar known name, or None if its similarity is below ``cutoff``."""

    def similarity(other):
        pairs = (name, other), (_sorted_words(name), _sorted_words(other))
        return max(difflib.SequenceMatcher(None, *pair).ratio() for pair in pairs)

    best = max(sorted(known), key=similarity, default=None)
    return best if best and similarity(best) >= cutoff else None


def _sorted_words(name):
    return '_'.join(sorted(name.split('_')))


def first(names: Sequence, most: int = 5) -> str:
    """Join the first ``most`` names for a message, and count the others."""
    more = f' and {len(names) - most} more' if len(names) > most else ''
    return ', '.join(map(str, names[:most])) + more


def root_folder() -> Path:
    """Return the folder with ``configs/``, ``tools/`` and ``data/``.

    It is the checkout, or ``afno_mm/.mim`` of an installed wheel.
    """
    package = Path(__file__).resolve().parent
    is_checkout = all((package.parent / name).is_file() for name in (INDEX, 'tools/train.py'))
    return package.parent if is_checkout else package / '.mim'


def list_models(pattern: str | None = None, task: str | None = None) -> list[str]:
    """Return the names of the configs, in alphabetical order.

    Args:
        pattern: Shell pattern (``*``, ``?``). Return only names that begin with a match, as
            MMPretrain's ``list_models`` does.
        task: Only 'segmentation', 'classification' or 'inpainting'.

    Raises:
        ValueError: If there is no such task.
    """
    import yaml

    names = {}
    for file in sorted(root_folder().glob('configs/metafile_*.yml')):
        models = yaml.safe_load(file.read_text(encoding='utf-8'))['Models']
        names[file.stem.partition('_')[2]] = [model['Name'] for model in models]
    if task is not None and task not in names:
        raise ValueError(f'there is no task {task!r}; the tasks are {", ".join(names)}')
    found = sorted(name for key in names if task in (None, key) for name in names[key])
    return fnmatch.filter(found, f'{pattern or ""}*')


def config_file(name: str) -> str:
    """Return the path of a config from its name, such as ``segformer_afno_b0_cityscapes``.

    The path of an existing file is returned unchanged. ``table6`` and ``sweeps/table6`` find
    ``configs/sweeps/table6.py``.

    Raises:
        FileNotFoundError: If no file or config has this name. The message suggests the nearest.
    """
    if Path(name).is_file():
        return name
    folder = root_folder() / 'configs'
    files = {path.stem: path for part in ('sweeps', '.') for path in folder.glob(f'{part}/*.py')}
    stem = Path(name).stem if name.endswith('.py') else Path(name).name
    if name in (stem, f'{stem}.py', f'sweeps/{stem}', f'sweeps/{stem}.py') and stem in files:
        return str(files[stem])
    if stem in files:
        advice = f'The package has a config of this name: give {stem} alone'
    else:
        near = nearest(stem, files, 0.6)
        advice = f'Did you mean {near}?' if near else 'afno_mm.list_models() returns all names'
    raise FileNotFoundError(
        f'there is no file {name!r} in {Path.cwd()}, and no config of this name. {advice}'
    )


def register_models() -> None:
    """Make the names of the configs known to the inferencers of the OpenMMLab packages.

    * MMEngine: ``MMSegInferencer(NAME, weights=CHECKPOINT, scope='afno_mm')``, and
      ``BaseInferencer.list_models('afno_mm')``.
    * MMPretrain: ``get_model(NAME)``, ``list_models()``, ``ImageClassificationInferencer(NAME)``.
      Only configs of classification are registered: MMPretrain cannot run the other tasks.

    A second call changes nothing. No weights are published yet: without a checkpoint, the
    inferencers use random weights and warn about it.
    """
    from mmengine.config.utils import MODULE2PACKAGE
    from mmpretrain.apis.model import ModelHub

    MODULE2PACKAGE['afno_mm'] = 'afno-mm'
    names = list_models(task='classification')
    if not all(map(ModelHub.has, names)):
        metafile = root_folder() / 'configs/metafile_classification.yml'
        ModelHub.register_model_index(metafile, config_prefix=root_folder())
