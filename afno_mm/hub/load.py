"""Find weights and config in a file, folder or repository or by name, and build the model."""

import copy
import re
import warnings
from pathlib import Path
from types import SimpleNamespace

from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope

from ..engine.model import build_model
from ..engine.safety import newest_checkpoint
from ..engine.safety.failures import other_model
from ..names import nearest, root_folder
from ..tasks import Task, task_of
from ..tasks.dataset_configs import dataset_meta, test_dataset
from .config_data import check_types, parse_config
from .files import Weights, read_file

# Config keys that a prediction uses, besides the pipeline of test_dataloader.
USED = 'model data_preprocessor default_scope task visualizer test_pipeline tta_model tta_pipeline'
REPOSITORY = re.compile(r'[\w.-]+/[\w.-]+')


def from_pretrained(
    source: str | Path | Config,
    device: str = 'cpu',
    weights: str | Path | None = 'inside',
    revision: str | None = None,
) -> BaseModel:
    """Return a model ready for predictions, in evaluation mode.

    ``model.dataset_meta`` has ``classes`` and ``palette`` if they are known, and ``model.cfg`` the
    config. ``mmseg.apis.inference_model(model, image)`` and ``mmpretrain.inference_model(model,
    image)`` take the model. A config inside a weight file is read as data and never executed.

    Args:
        source: One of these, looked for in this order:

            * a ``.pth`` or ``.safetensors`` file: a published one, or a checkpoint of a training;
            * a config file, which is executed as OpenMMLab does, or a ``Config``;
            * a work dir, for its newest undamaged checkpoint, or a folder with a published file;
            * the name of a config of this package, such as 'segformer_afno_b3_cityscapes';
            * a repository 'owner/name' on Hugging Face with a published file.
        device: Where the model goes, such as 'cuda:0'.
        weights: 'inside' takes the weights in ``source``. If ``source`` is a config, give a file,
            folder or URL of weights, or None for an untrained model with the initial weights of its
            constructors.
        revision: Branch, tag or commit of a repository.

    Raises:
        FileNotFoundError: If nothing is found.
        CheckpointError: If the weights are damaged or do not fit the config.
        ConfigDataError: If a config inside a file is not plain data, or names unknown types.
        ValueError: If there are no weights, no config, or several files to choose from.
    """
    if isinstance(source, Config):
        found = of_config(source)
        source = found.source
    else:
        found = _find(str(source), revision)
    if weights is None:
        found.state = None
        warnings.warn(f'{source} with weights=None: the model is untrained', stacklevel=2)
    elif weights != 'inside':
        given = read_file(weights, with_config=False)
        found.state, found.source = given.state, given.source
        found.dataset_meta = given.dataset_meta or found.dataset_meta
    elif found.state is None:
        raise ValueError(
            f'{source} is a config without weights. For trained ones give '
            'weights=FILE, for an untrained model weights=None'
        )
    return model_of(found, device)


def model_of(found: Weights, device: str) -> BaseModel:
    """Build the model of ``found.cfg`` and load ``found.state``, if any. All keys must match."""
    if found.cfg is None:
        raise ValueError(
            f'{found.source} has no config inside. Give the config that it was trained with: '
            f"from_pretrained('CONFIG.py', weights='{found.source}')"
        )
    used = {key: found.cfg[key] for key in USED.split() if key in found.cfg}
    pipeline = test_dataset(found.cfg).get('pipeline')
    used['test_dataloader'] = dict(dataset=dict(pipeline=pipeline))  # MMPretrain reads it here
    if not found.is_trusted:
        check_types(used, found.source)
    cfg = Config(copy.deepcopy(used))
    cfg.model.get('backbone', {}).pop('init_cfg', None)  # found.state replaces these weights
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    model = build_model(cfg, None, device)
    if found.state is not None:
        try:
            model.load_state_dict(found.state)
        except RuntimeError as error:
            raise other_model(found.source, error) or error from None
    model.cfg, model.dataset_meta = cfg, found.dataset_meta
    # MMPretrain's inferencers read these attributes.
    model._config, model._dataset_meta = model.cfg, model.dataset_meta
    purpose = task_of(cfg, default=Task()).mmpretrain_task
    model._metainfo = SimpleNamespace(results=[SimpleNamespace(task=purpose)]) if purpose else None
    return model.eval()


def of_config(cfg: Config) -> Weights:
    """Return a config, and the classes and palette of its test dataset."""
    source = str(cfg.filename or 'the given Config')
    return Weights(source, cfg.to_dict(), dataset_meta=dataset_meta(cfg), is_trusted=True)


def _find(source: str, revision: str | None) -> Weights:
    path = Path(source).expanduser()
    if path.is_dir():
        return _from_folder(path)
    if path.is_file():
        return of_config(Config.fromfile(path)) if path.suffix == '.py' else read_file(path)
    configs = root_folder() / 'configs'
    names = [config.stem for config in configs.glob('*.py')]
    if source in names:
        return of_config(Config.fromfile(configs / f'{source}.py'))
    near = nearest(source, names, 0.6)
    missing = f'there is no file and no folder {source}, and no config of this name'
    missing += f' (did you mean {near}?)' if near else f' in {configs}'
    if not REPOSITORY.fullmatch(source):
        raise FileNotFoundError(missing)
    return _from_folder(_download(source, revision, missing))


def _from_folder(folder: Path) -> Weights:
    newest = newest_checkpoint(folder)
    published = sorted(folder.glob('*.safetensors')) or sorted(folder.glob('*.pth'))
    if newest is None and len(published) != 1:
        names = [path.name for path in published or sorted(folder.iterdir())]
        raise ValueError(
            f'{folder} must hold checkpoints of a training or one published file. It has '
            f'{len(published)}: {", ".join(names[:8]) or "no files"}. Name one file'
        )
    found = read_file(newest or published[0])
    dumped = sorted(folder.glob('*.py'))
    if found.cfg is None and len(dumped) == 1:
        found.cfg = parse_config(dumped[0].read_text(), str(dumped[0]))
    return found


def _download(repository: str, revision: str | None, missing: str) -> Path:
    """Download a repository's .safetensors or else .pth file into Hugging Face's cache."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise FileNotFoundError(
            f'{missing}. To look for it on Hugging Face: pip install "afno-mm[hub]"'
        ) from error
    try:
        for pattern in ('*.safetensors', '*.pth'):
            folder = Path(
                snapshot_download(repository, revision=revision, allow_patterns=[pattern])
            )
            if any(folder.glob(pattern)):
                break
    except Exception as error:  # connection, server or cache
        raise FileNotFoundError(f'{missing}; Hugging Face: {str(error).strip()}') from error
    return folder
