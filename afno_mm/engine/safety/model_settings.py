"""Settings that need the model and the data to be checked: dead custom_keys, counts of classes."""

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import nn

from ...registry import HOOKS
from .settings import SettingsError, nearest

# Keys of schedules that serve several networks, upstream and here. Some networks have no such part.
SHARED_KEYS = frozenset(
    'pos_embed absolute_pos_embed relative_position_bias_table rel_pos_w rel_pos_h cls_token '
    'mask_token pos_block norm bn ln bias gamma q_bias v_bias attention_biases level_embed '
    'query_embed query_feat head'.split()
)
# Heads with classes of their own: boundaries, and depths.
OTHER_CLASSES = ('STDCHead', 'VPDDepthHead')


def check_custom_keys(
    model: nn.Module, optim_wrapper: Mapping[str, Any], allowed: Collection[str] = ()
) -> None:
    """Refuse ``custom_keys`` of ``paramwise_cfg`` that match no parameter.

    Args:
        model: The built model.
        optim_wrapper: Config of the optimiser wrapper, or of several by name.
        allowed: Keys that may match nothing. ``SHARED_KEYS`` may always.

    Raises:
        SettingsError: With all of them, and the nearest part of a parameter's name.
    """
    wrappers = [optim_wrapper, *(v for v in optim_wrapper.values() if isinstance(v, Mapping))]
    keys = [k for w in wrappers for k in (w.get('paramwise_cfg') or {}).get('custom_keys') or ()]
    # MMEngine looks for a key in 'prefix.name', and the prefix can be empty.
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
            + '\nCorrect or remove them, or allow them by name: allowed_settings='
            + repr(dead)
        )


def _nearest_part(key: str, names: Iterable[str]) -> str:
    """Return the part of a parameter's name, of as many words as ``key``, that is most like it."""
    length = key.strip('.').count('.') + 1
    words = [name.strip('.').split('.') for name in names]
    parts = {'.'.join(w[i : i + length]) for w in words for i in range(len(w) - length + 1)}
    return nearest(key, parts, 0.3) or max(
        parts or words[0], key=lambda part: difflib.SequenceMatcher(None, part, key).ratio()
    )


def check_class_counts(
    model: nn.Module, classes: int | Sequence[str] | None, allowed: Collection[str] = ()
) -> None:
    """Refuse heads for another number of classes than the data has.

    Args:
        model: The built model. All its modules outside of the backbone that have a ``num_classes``
            are looked at, such as heads, losses and the data preprocessor.
        classes: Classes of the data, or their number. None: the data has no classes.
        allowed: Modules that may have another number, by the dotted path of ``num_classes``, as
            in ``model.auxiliary_head.num_classes``.

    Raises:
        SettingsError: With all of them, and both numbers.
    """
    if classes is None:
        return
    wanted = classes if isinstance(classes, int) else len(classes)
    lines = []
    for name, module in model.named_modules():
        found = getattr(module, 'num_classes', None)
        path = f'model.{name}.num_classes'
        if (
            name
            and type(found) is int
            and found != wanted
            and not name.startswith(('backbone', 'neck'))
            and type(module).__name__ not in OTHER_CLASSES
            and not {path, 'num_classes'}.intersection(allowed)
        ):
            lines.append(f'{path} is {found}, the data has {wanted} classes')
    if lines:
        few = (
            [*classes[:5], *(['...'] if wanted > 5 else [])] if not isinstance(classes, int) else []
        )
        raise SettingsError(
            '\n* '.join(['the model and the data disagree on the number of classes:', *lines])
            + f'\nSet num_classes={wanted} there, or give the dataset the classes that the model '
            f'is for: dataset.metainfo.classes. The data has {", ".join(few) or wanted}'
        )


@HOOKS.register_module()
class SettingsHook(Hook):
    """Checks the settings that need the built model and data, before the first step.

    ``allowed_settings`` in the config names exceptions.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Any) -> None:
        """Check ``custom_keys`` and the classes of the training and validation data."""
        wrapper = runner.cfg.get('optim_wrapper')
        if isinstance(wrapper, Mapping):
            allowed = runner.cfg.get('allowed_settings') or ()
            check_custom_keys(_model(runner), wrapper, allowed)
        self._check_classes(runner, runner.train_loop)
        if runner.val_loop is not None:
            self._check_classes(runner, runner.val_loop)

    def before_val(self, runner: Any) -> None:
        """Check the classes of the validation data."""
        self._check_classes(runner, runner.val_loop)

    def before_test(self, runner: Any) -> None:
        """Check the classes of the test data."""
        self._check_classes(runner, runner.test_loop)

    def _check_classes(self, runner, loop):
        metainfo = getattr(loop.dataloader.dataset, 'metainfo', None) or {}
        allowed = runner.cfg.get('allowed_settings') or ()
        check_class_counts(_model(runner), metainfo.get('classes'), allowed)


def _model(runner):
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
