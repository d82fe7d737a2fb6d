"""Stop a training before numbers that are not finite reach the weights."""

import logging
from collections.abc import Iterable
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapperDict
from torch import Tensor, nn

from ...names import first
from ...registry import HOOKS


class NonFiniteError(FloatingPointError):
    """A loss, a gradient or a weight is infinite or not a number."""


@HOOKS.register_module()
class FiniteNumbersHook(Hook):
    """Stop a training before the optimiser applies gradients that are not finite.

    The error names the iteration, the first bad gradient and weight, and the files of the batch.
    The last good checkpoint stays. With loss scaling, the scaler skips such steps itself: the
    training stops after ``max_skipped`` skipped steps in a row.

    In the first step, the hook names the parameters that no gradient reached. If MMEngine does not
    clip gradients, and so does not log their norm, the hook logs it as ``grad_norm``.
    """

    priority = 'VERY_HIGH'

    def __init__(self, max_skipped: int = 50) -> None:
        self.max_skipped = max_skipped
        self.skipped = self.steps = 0
        self.batch: Any = None

    def before_train(self, runner: Any) -> None:
        """Register a check of the gradients before each step of each optimiser."""
        self.model, self.hub, self.clips = bare_model(runner), runner.message_hub, False
        for wrapper in _wrappers(runner):
            wrapper.optimizer.register_step_pre_hook(self._before_step)
            norm = wrapper.clip_grad_kwargs or {}
            self.clips |= bool(norm)
            # MMEngine has removed 'type' from the settings.
            by_norm = norm and wrapper.clip_func is nn.utils.clip_grad_norm_
            if by_norm and not _scaler(wrapper):
                # Make clipping raise if the norm is not finite: it would spoil all gradients.
                norm['error_if_nonfinite'] = True

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        self.iteration, self.batch, self.before = runner.iter, data_batch, self.steps

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Check the losses, and count the steps that loss scaling skipped."""
        for name, value in (outputs or {}).items():
            if isinstance(value, Tensor) and not torch.isfinite(value).all():
                raise self.error(f'{name} is {value.flatten()[0].item()}')
        scalers = [scaler for scaler in map(_scaler, _wrappers(runner)) if scaler]
        if scalers and all(w.should_update() for w in _wrappers(runner)):
            self.skipped = 0 if self.steps > self.before else self.skipped + 1
            if self.skipped >= self.max_skipped:
                raise self.error(
                    f'loss scaling skipped {self.skipped} steps in a row, and its scale fell to '
                    f'{scalers[0].get_scale():.1e}: the gradients are never finite. Train without '
                    '--amp, with --cfg-options optim_wrapper.dtype=bfloat16, or a lower rate'
                )

    def _before_step(self, optimizer, *_):
        # With fused=True, loss scaling leaves it to the optimiser to skip a step and to unscale.
        skips, scale = (getattr(optimizer, name, None) for name in ('found_inf', 'grad_scale'))
        if skips is not None and skips.item():
            return
        self.steps += 1
        parameters = [p for group in optimizer.param_groups for p in group['params']]
        gradients = [p.grad for p in parameters if p.grad is not None]
        if gradients:
            norms = torch.stack(torch._foreach_norm(gradients))
            if not torch.isfinite(norms).all():
                # The norm of finite gradients can overflow, above all in half precision.
                if any(not torch.isfinite(g).all() for g in gradients):
                    raise self.error('the gradients are not finite')
            if not self.clips:
                norm = torch.linalg.vector_norm(norms)
                self.hub.update_scalar('train/grad_norm', norm if scale is None else norm / scale)
        if self.steps == 1:
            self._name_parameters_without_gradient()

    def _name_parameters_without_gradient(self):
        trained = [(n, p) for n, p in self.model.named_parameters() if p.requires_grad]
        lacking = [name for name, parameter in trained if parameter.grad is None]
        if lacking:
            print_log(
                f'{len(lacking)} parameters got no gradient in the first step, so the optimiser '
                f'leaves them as they are: {first(lacking)}. Does the loss not use them?',
                'current',
                logging.WARNING,
            )

    def error(self, found: str) -> NonFiniteError:
        """Return the error for a training step. It names all that helps to find the cause."""
        lines = [f'iteration {self.iteration + 1}: {found}.']
        gradients = ((name, p.grad) for name, p in self.model.named_parameters())
        weights = self.model.state_dict().items()
        for what, tensors in (('gradient', gradients), ('weight', weights)):
            bad = not_finite(tensors)
            if bad:
                lines.append(f'{len(bad)} {what}s are not finite, the first is of {bad[0]}.')
        files = batch_files(self.batch)
        if files:
            lines.append(f'The batch: {first(files, 8)}')
        lines.append(
            'The optimiser did not apply this step, and the last checkpoint is from before it. '
            'Look at these files, or lower the learning rate, and continue with --resume.'
        )
        return NonFiniteError('\n'.join(lines))


def not_finite(tensors: Iterable[tuple[str, Tensor | None]]) -> list[str]:
    """Return the names of the tensors that hold an infinity or a NaN."""
    return [
        name
        for name, tensor in tensors
        if tensor is not None
        and (tensor.is_floating_point() or tensor.is_complex())
        and not torch.isfinite(tensor).all()
    ]


def check_weights(model: nn.Module, source: str) -> None:
    """Raise NonFiniteError if a parameter or buffer of a model from ``source`` is not finite."""
    bad = not_finite(model.state_dict().items())
    if bad:
        raise NonFiniteError(
            f'{len(bad)} tensors of {source} are not finite, the first is {bad[0]}: the training '
            'that wrote this checkpoint had failed. Use an earlier one'
        )


def batch_files(batch: Any) -> list[str]:
    """Return the paths of the images of a batch. Samples without a path are left out."""
    samples = batch.get('data_samples') if isinstance(batch, dict) else None
    samples = samples if isinstance(samples, list | tuple) else []
    paths = [sample.get('img_path', None) for sample in samples if hasattr(sample, 'get')]
    return [str(path) for path in paths if path]


def _wrappers(runner):
    wrapper = runner.optim_wrapper
    if isinstance(wrapper, OptimWrapperDict):
        yield from wrapper.optim_wrappers.values()
    else:
        yield wrapper


def _scaler(wrapper):
    scaler = getattr(wrapper, 'loss_scaler', None)
    return scaler if scaler is not None and scaler.is_enabled() else None


def bare_model(runner: Any) -> Any:
    """Return a Runner's model without the wrapper of a distributed training."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
