"""The interface of a task, and the lookup of a config's task.

To add a task, register a subclass of :class:`Task` in ``afno_mm.registry.TASKS``, and import its
file in ``tasks/__init__.py`` or by the config's ``custom_imports``. Tasks import MMSegmentation and
MMPretrain inside their methods, because these packages load slowly.
"""

from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from torch import Tensor

from ..registry import TASKS, type_name
from .dataset_configs import with_pipeline

Batch = dict[str, Any]
Scores = dict[str, float]


class Task:
    """Base class of tasks. Its defaults suit most models of MMEngine and MMPretrain.

    A subclass defines :meth:`handles` and :meth:`random_batch`, and overrides other methods where
    its task differs.
    """

    mmpretrain_task: str | None = None  # the name that selects MMPretrain's inferencer

    def handles(self, cfg: Config) -> bool:
        """Return True if the config's model is for this task."""
        return False

    def collate(self, cfg: Config) -> str:
        """Return the name of the MMEngine function that makes a batch from samples."""
        # MMPretrain's models need stacked images. Its tools set this, not its configs.
        return 'default_collate' if cfg.get('default_scope') == 'mmpretrain' else 'pseudo_collate'

    def random_batch(self, model_cfg: ConfigDict, size: tuple[int, int], batch_size: int) -> Batch:
        """Return random ``inputs`` and ``data_samples`` in the form that the data loader gives.

        ``model_cfg`` is the config's ``model``: it gives the number of classes. ``size`` is (H, W).
        """
        raise NotImplementedError(f'{type(self).__name__} does not define random_batch')

    def network_input(self, inputs: Any, masked: bool = True) -> Tensor:
        """Return the backbone's input ``(B, 3, H, W)`` from a preprocessed batch's ``inputs``.

        A task that masks images returns the masked ones, or the whole ones if not ``masked``.
        """
        return inputs

    def forward(self, model: Any, images: Tensor) -> Any:
        """Run the whole network on images ``(B, 3, H, W)``, without pre- or postprocessing."""
        return model(images, mode='tensor')

    def outputs(self, model: Any, images: Tensor, labels: bool = False) -> dict[str, Tensor]:
        """Return the outputs of an exported model, by name, for images ``(B, 3, H, W)``.

        The images are normalised. The output 'logits' has class scores, with the classes on axis
        1. With ``labels``, 'labels' has class indices. 'image' is a normalised image.
        """
        return dict(output=self.forward(model, images))

    def draw_predictions(self, cfg: Config, folder: str | None, **options: Any) -> None:
        """Change the config so that a test draws its predictions, to ``folder`` if given.

        The options are ``show``, ``wait_time`` and ``interval``, as in MMPretrain's
        VisualizationHook. A task without :meth:`draw_prediction` needs a hook in the config.
        """
        own = (cfg.get('default_hooks') or {}).get('visualization') or dict(type='none')
        stock = own['type'] in ('none', 'VisualizationHook', 'mmpretrain.VisualizationHook')
        if stock and type(self).draw_prediction is not Task.draw_prediction:
            hook = dict(type='afno_mm.PredictionPicturesHook', number=0)
            cfg.default_hooks = dict(cfg.get('default_hooks') or {}, visualization=hook)
        draw_hook(cfg).update(enable=True, out_dir=folder, **options)

    def keep_predictions(self, cfg: Config, path: str) -> None:
        """Change the config so that a test writes its predictions to the pickle file ``path``."""
        cfg.test_evaluator = [*evaluators(cfg), dict(type='DumpResults', out_file_path=path)]

    def use_tta(self, cfg: Config) -> None:
        """Switch the config to test-time augmentation by its ``tta_model`` and ``tta_pipeline``."""
        for key in ('tta_model', 'tta_pipeline'):
            if key not in cfg:
                raise ValueError(f'--tta needs {key} in the config: see configs/_base_/')
        cfg.test_dataloader.dataset = with_pipeline(cfg.test_dataloader.dataset, cfg.tta_pipeline)
        if 'data_preprocessor' in cfg:
            cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
        cfg.model = dict(**cfg.tta_model, module=cfg.model)

    def draw_sample(self, dataset: Any, index: int) -> tuple[list[np.ndarray], str]:
        """Return pictures ``(H, W, 3)``, uint8 RGB, of a dataset's sample, and a caption."""
        return [rgb(load_sample(dataset, index)['img'])], ''

    def draw_prediction(self, inputs: Any, sample: Any, dataset: Any) -> list[np.ndarray]:
        """Return pictures of a prediction ``(H, W, 3)``, uint8 RGB, all of one size.

        ``inputs`` is one element of the data loader's ``inputs``. ``sample`` is the data sample
        with the prediction for it. ``dataset`` has the classes. By default there is no picture.
        """
        return []

    def baseline(self, cfg: Config, models: dict[str, Scores]) -> str:
        """Return a table with the scores of predictors without training, then of ``models``."""
        raise NotImplementedError(f'{type(self).__name__} does not define baseline')


def task_of(cfg: Config, default: Task | None = None) -> Task:
    """Return the task of a config.

    The config can name its task, as in ``task='Depth'`` or ``task='their_package.Depth'``.
    Otherwise this is the last registered task whose ``handles(cfg)`` is True, else ``default``.

    Raises:
        ValueError: If the config names an unknown task, or none handles it and there is no default.
    """
    tasks, name = TASKS.module_dict, cfg.get('task')
    known = f'The tasks are {", ".join(tasks)}. To add one, register it in afno_mm.registry.TASKS'
    if name:
        named = TASKS.get(name)
        if named is None:
            raise ValueError(f'no task is named {name!r}, as the config says. {known}')
        return named()
    for task in reversed(tasks.values()):
        if task().handles(cfg):
            return task()
    if default is None:
        raise ValueError(
            f'no task handles model.type={model_type(cfg)!r} with default_scope='
            f'{cfg.get("default_scope")!r}. Name one, as in task={next(iter(tasks))!r}. {known}'
        )
    return default


def model_type(cfg: Config) -> str:
    """Return the bare class name of a config's model, without test-time augmentation."""
    model = cfg.get('model', {})
    return type_name(model.get('module', model).get('type', ''))


def random_images(model_cfg: ConfigDict, size: tuple[int, int], batch_size: int) -> Tensor:
    """Return random images ``(B, C, H, W)``, uint8, with as many channels as the model takes."""
    channels = model_cfg.get('backbone', {}).get('in_channels', 3)
    return torch.randint(0, 256, (batch_size, channels, *size), dtype=torch.uint8)


def load_sample(dataset: Any, index: int) -> dict[str, Any]:
    """Run only the loading steps of the dataset's pipeline. Return the sample.

    If its labels cannot be read, its key ``fault`` says why.
    """
    from mmcv.transforms import LoadAnnotations, LoadImageFromFile

    sample = dataset.get_data_info(index)
    for step in dataset.pipeline.transforms:
        if isinstance(step, LoadImageFromFile):
            sample = step(sample)
        elif isinstance(step, LoadAnnotations):
            try:
                sample = step(sample)
            except (OSError, ValueError) as error:
                sample['fault'] = str(error)
    return sample


def rgb(image: np.ndarray) -> np.ndarray:
    """Convert a loaded image, BGR ``(H, W, C)`` or grey ``(H, W)``, to uint8 RGB.

    Images of more than 8 bits are scaled so that their largest value is white.
    """
    if image.dtype != np.uint8:
        image = (image * (255 / max(image.max(), 1))).astype(np.uint8)
    image = image[..., None] if image.ndim == 2 else image
    return image[..., 2::-1] if image.shape[2] >= 3 else image[..., :1].repeat(3, 2)


def draw_hook(cfg: Config) -> ConfigDict:
    """Return the config of the hook that draws predictions."""
    hook = cfg.get('default_hooks', {}).get('visualization')
    if hook is None:
        raise ValueError(
            'drawing needs default_hooks.visualization in the config, as in '
            "dict(type='SegVisualizationHook') or dict(type='VisualizationHook')"
        )
    return hook


def evaluators(cfg: Config) -> list[ConfigDict]:
    """Return the configs of a test's metrics as a list."""
    metrics = cfg.test_evaluator
    return list(metrics) if isinstance(metrics, (list, tuple)) else [metrics]


def score_table(title: str, scores: Scores) -> str:
    """Return a title, and below it one line per score."""
    return '\n'.join([title, *(f'  {name}: {score:.2f}' for name, score in scores.items())])
