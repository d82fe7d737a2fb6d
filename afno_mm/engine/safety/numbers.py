"""Numbers that are not finite stop a training before they reach the weights."""

import logging
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapperDict
from torch import Tensor, nn

from ...registry import HOOKS


class NonFiniteError(FloatingPointError):
    """A loss, a gradient or a weight is infinite or not a number."""


@HOOKS.register_module()
class FiniteNumbersHook(Hook):
    """Stop a training before the optimiser applies gradients that are not finite.

    The error names the iteration, the loss, the first bad gradient and the files of the batch. No
    checkpoint is written after it, so the last good one stays. With loss scaling, the scaler skips
    such steps itself: then the training stops when ``max_skipped`` steps in a row were skipped.

    After the first step, this hook names the parameters that no gradient reached.

    Args:
        max_skipped: Most steps in a row that loss scaling may skip.
    """

    priority = 'VERY_HIGH'

    def __init__(self, max_skipped: int = 50):
        self.max_skipped = max_skipped
        self.skipped = 0
        self.steps = 0
        self.batch: Any = None

    def before_train(self, runner: Any) -> None:
        """Look at the gradients before each step of each optimiser."""
        self.model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        for wrapper in _wrappers(runner):
            wrapper.optimizer.register_step_pre_hook(self._before_step)
            norm = wrapper.clip_grad_kwargs or {}
            if norm and norm.get('type', 'norm') == 'norm' and not _scaler(wrapper):
                # Clipping by a norm that is not finite would spoil all gradients at once.
                norm['error_if_nonfinite'] = True

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Remember the batch, and how many steps there were."""
        self.iteration, self.batch, self.before = runner.iter, data_batch, self.steps

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Check the losses, and count the steps that loss scaling skipped.

        Raises:
            NonFiniteError: If a loss is not finite, or too many steps in a row were skipped.
        """
        for name, value in (outputs or {}).items():
            if isinstance(value, Tensor) and not torch.isfinite(value).all():
                raise self.error(f'{name} is {value.flatten()[0].item()}')
        scalers = [scaler for scaler in map(_scaler, _wrappers(runner)) if scaler]
        if scalers and all(w.should_update() for w in _wrappers(runner)):
            self.skipped = 0 if self.steps > self.before else self.skipped + 1
            if self.skipped >= self.max_skipped:
                raise self.error(
                    f'loss scaling skipped {self.skipped} steps in a row, and its scale fell to '
                    f'{scalers[0].get_scale():.1e}: gradients stay infinite. Train with '
                    '--cfg-options optim_wrapper.dtype=bfloat16, a lower learning rate, or '
                    'without --amp'
                )

    def _before_step(self, optimizer, *_):
        self.steps += 1
        parameters = [p for group in optimizer.param_groups for p in group['params']]
        gradients = [p.grad for p in parameters if p.grad is not None]
        if gradients and not torch.isfinite(torch.stack(torch._foreach_norm(gradients))).all():
            raise self.error('the gradients are not finite')
        if self.steps == 1:
            self._name_parameters_without_gradient()

    def _name_parameters_without_gradient(self):
        lacking = [
            name
            for name, parameter in self.model.named_parameters()
            if parameter.requires_grad and parameter.grad is None
        ]
        if lacking:
            print_log(
                f'{len(lacking)} parameters got no gradient in the first step and will not be '
                f'trained: {_first(lacking)}. Is a part of the model unused, or cut off?',
                'current',
                logging.WARNING,
            )

    def error(self, found: str) -> NonFiniteError:
        """The error for a training step, with all that helps to find the cause."""
        lines = [f'iteration {self.iteration + 1}: {found}.']
        for what, tensors in (
            ('gradient', ((n, p.grad) for n, p in self.model.named_parameters())),
            ('weight', self.model.state_dict().items()),
        ):
            bad = not_finite(tensors)
            if bad:
                lines.append(f'{len(bad)} {what}s are not finite, the first is of {bad[0]}.')
        files = batch_files(self.batch)
        if files:
            lines.append(f'The batch: {_first(files, 8)}')
        lines.append(
            'The optimiser did not apply this step, and the last checkpoint is from before it. '
            'Look at these files, or lower the learning rate, and continue with --resume.'
        )
        return NonFiniteError('\n'.join(lines))


def not_finite(tensors: Any) -> list[str]:
    """Names of the tensors, of ``(name, tensor)``, that hold an infinity or a NaN."""
    return [
        name
        for name, tensor in tensors
        if tensor is not None
        and (tensor.is_floating_point() or tensor.is_complex())
        and not torch.isfinite(tensor).all()
    ]


def check_weights(model: nn.Module, source: str) -> None:
    """Refuse a model whose weights are not finite.

    Raises:
        NonFiniteError: If a parameter or buffer is not finite.
    """
    bad = not_finite(model.state_dict().items())
    if bad:
        raise NonFiniteError(
            f'{len(bad)} tensors of {source} are not finite, the first is {bad[0]}: this '
            'checkpoint is of a training that failed. Use an earlier one'
        )


def batch_files(batch: Any) -> list[str]:
    """Paths of the images of a batch, where its samples know them."""
    samples = batch.get('data_samples', []) if isinstance(batch, dict) else []
    found = []
    for sample in samples if isinstance(samples, (list, tuple)) else []:
        path = sample.get('img_path', None) if hasattr(sample, 'get') else None
        if path:
            found.append(str(path))
    return found


def _wrappers(runner):
    wrapper = runner.optim_wrapper
    if isinstance(wrapper, OptimWrapperDict):
        yield from wrapper.optim_wrappers.values()
    else:
        yield wrapper


def _scaler(wrapper):
    scaler = getattr(wrapper, 'loss_scaler', None)
    return scaler if scaler is not None and scaler.is_enabled() else None


def _first(names, most=5):
    return ', '.join(names[:most]) + (f' and {len(names) - most} more' * (len(names) > most))
