"""Check settings that need the built model and the data: custom_keys and class counts."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from torch import nn

from ...names import first, nearest
from ...registry import HOOKS
from .numbers import bare_model
from .settings import SettingsError

# custom_keys that configs share between networks. They may match nothing.
SHARED_KEYS = frozenset(
    'pos_embed absolute_pos_embed relative_position_bias_table rel_pos_w rel_pos_h cls_token '
    'mask_token pos_block norm bn ln bias gamma q_bias v_bias attention_biases level_embed '
    'query_embed query_feat head'.split()
)
# Heads that predict boundaries or depths. Their num_classes can differ from the data's.
OTHER_CLASSES = ('STDCHead', 'VPDDepthHead')


def check_custom_keys(
    model: nn.Module, optim_wrapper: Mapping[str, Any], allowed: Collection[str] = ()
) -> None:
    """Raise SettingsError for ``custom_keys`` of ``paramwise_cfg`` that match no parameter.

    Args:
        model: The built model.
        optim_wrapper: Config of the optimiser wrapper, or of several by name.
        allowed: Keys that may match nothing, besides ``SHARED_KEYS``.
    """
    wrappers = [optim_wrapper, *(v for v in optim_wrapper.values() if isinstance(v, Mapping))]
    keys = [k for w in wrappers for k in (w.get('paramwise_cfg') or {}).get('custom_keys') or ()]
    # MMEngine looks for a key in 'prefix.name'. A top-level parameter has an empty prefix.
    names = [name if '.' in name else f'.{name}' for name, _ in model.named_parameters()]
    dead = [
        key
        for key in keys
        if key not in allowed
        and key.strip('.') not in SHARED_KEYS
        and not any(key in name for name in names)
    ]
    if dead:
        lines = [f'{key!r}. Did you mean {_nearest_part(key, names)!r}?' for key in dead]
        raise SettingsError(
            '\n* '.join(['custom_keys of paramwise_cfg that match no parameter:', *lines])
            + f'\nCorrect or remove them, or allow them by name: allowed_settings={dead!r}'
        )


def _nearest_part(key, names):
    """Return the most similar part of a parameter name with as many dotted words as ``key``."""
    length = key.strip('.').count('.') + 1
    words = [name.strip('.').split('.') for name in names]
    parts = {'.'.join(w[i : i + length]) for w in words for i in range(len(w) - length + 1)}
    return nearest(key, parts or words[0], cutoff=0)


def check_class_counts(
    model: nn.Module,
    classes: Sequence[str] | None,
    allowed: Collection[str] = (),
    least_classes: int = 0,
) -> None:
    """Raise SettingsError for heads with another number of classes than the data has.

    Args:
        model: The built model. All its modules with ``num_classes`` are checked (heads, losses,
            the data preprocessor), except those of the backbone and the neck.
        classes: Class names of the data, or None if the classes have no names.
        allowed: Modules that may have another number, such as
            ``model.auxiliary_head.num_classes``, or ``num_classes`` for all.
        least_classes: The highest label plus 1. It counts only if ``classes`` is None.
    """
    if classes is None and not least_classes:
        return
    lines, wanted = [], least_classes if classes is None else len(classes)
    for name, module in model.named_modules():
        found = getattr(module, 'num_classes', None)
        path = f'model.{name}.num_classes'
        if (
            name
            and type(found) is int
            and (found < wanted if classes is None else found != wanted)
            and not name.startswith(('backbone', 'neck'))
            and type(module).__name__ not in OTHER_CLASSES
            and not {path, 'num_classes'}.intersection(allowed)
        ):
            least = 'at least ' * (classes is None)
            lines.append(f'{path} is {found}, the data has {least}{wanted} classes')
    if lines:
        raise SettingsError(
            '\n* '.join(['the model and the data disagree on the number of classes:', *lines])
            + f'\nSet num_classes={wanted} there, or give the dataset the classes that the model '
            f'is for: dataset.metainfo.classes. The data has {first(classes or ["no names"])}'
        )


def check_class_names(
    classes: Sequence[str] | None, others: Sequence[str] | None, allowed: Collection[str] = ()
) -> None:
    """Raise SettingsError if training and validation data number different classes.

    Args:
        classes: Class names of the training data, or None if the classes have no names.
        others: The same of the validation data.
        allowed: May have 'classes', if the names differ on purpose.
    """
    if not classes or not others or 'classes' in allowed or len(classes) != len(others):
        return  # check_class_counts compares the numbers
    odd = [
        f'{index} is {one!r} to train on and {other!r} to validate'
        for index, (one, other) in enumerate(zip(classes, others))
        if one.lower() != other.lower()
    ]
    if odd:
        raise SettingsError(
            'training and validation data name their classes differently: '
            f'{first(odd)}\nGive both datasets the same metainfo.classes, in the same order. If '
            "different names mean the same class, set allowed_settings=['classes']"
        )


def check_file_names(paths: Sequence[str], folder: str) -> None:
    """Raise SettingsError if predictions, named like the images, would overwrite each other."""
    names: dict[str, str] = {}
    for path in paths:
        other = names.setdefault(Path(path).stem, path)
        if other != path:
            raise SettingsError(
                f'predictions go to {folder} under the names of the images, and {path} would '
                f'overwrite {other}. Rename the images, or test their folders one by one'
            )


@HOOKS.register_module()
class SettingsHook(Hook):
    """Check the settings that need the built model and data, before the first step.

    ``allowed_settings`` in the config names exceptions.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Any) -> None:
        """Check ``custom_keys`` and the classes of the training and validation data."""
        wrapper = runner.cfg.get('optim_wrapper')
        if isinstance(wrapper, Mapping):
            check_custom_keys(bare_model(runner), wrapper, _allowed(runner))
        self._check_classes(runner, runner.train_loop)
        if runner.val_loop is not None:
            self.before_val(runner)
            classes, others = (
                (getattr(loop.dataloader.dataset, 'metainfo', None) or {}).get('classes')
                for loop in (runner.train_loop, runner.val_loop)
            )
            check_class_names(classes, others, _allowed(runner))

    def before_val(self, runner: Any) -> None:
        self._check_classes(runner, runner.val_loop)

    def before_test(self, runner: Any) -> None:
        """Check the classes of the test data, and that its predictions have different names."""
        self._check_classes(runner, runner.test_loop)
        dataset = runner.test_loop.dataloader.dataset
        for metric in runner.test_evaluator.metrics:
            folder = getattr(metric, 'output_dir', None)
            if folder and hasattr(dataset, 'get_data_info'):
                infos = (dataset.get_data_info(index) for index in range(len(dataset)))
                check_file_names([info['img_path'] for info in infos if 'img_path' in info], folder)

    def _check_classes(self, runner, loop):
        dataset = loop.dataloader.dataset
        metainfo = getattr(dataset, 'metainfo', None) or {}
        least = max((getattr(leaf, 'least_classes', 0) for leaf in _wrapped(dataset)), default=0)
        check_class_counts(bare_model(runner), metainfo.get('classes'), _allowed(runner), least)


def _wrapped(dataset):
    """Return the datasets in a wrapper such as RepeatDataset, or the dataset itself."""
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    return [leaf for one in inner for leaf in _wrapped(one)] if inner[0] is not None else [dataset]


def _allowed(runner):
    return runner.cfg.get('allowed_settings') or ()
