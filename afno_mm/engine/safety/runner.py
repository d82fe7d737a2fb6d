"""MMEngine's Runner with safe checkpoints and an exact resume."""

from functools import partial
from typing import Any

from mmengine.dataset import InfiniteSampler
from mmengine.dist import all_gather_object, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner as MMEngineRunner
from mmengine.runner.checkpoint import CheckpointLoader
from torch.utils.checkpoint import checkpoint

from ...names import first
from ...registry import RUNNERS
from ...weight_files import tensors_of
from . import checkpoint_files, failures, resume
from .numbers import bare_model, check_weights
from .stop import StopSignalHook
from .switches import is_on

# Share of the model's values that load_from must fill.
MIN_MATCH = 0.5


class ForeignWeightsHook(Hook):
    """Let ``load_from`` load whole models in the formats of Hugging Face, timm and the authors."""

    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner: MMEngineRunner, checkpoint: dict[str, Any]) -> None:
        model = bare_model(runner)
        model = getattr(model, 'module', model)  # unwrap a model for test-time augmentation
        backbone: Any = getattr(model, 'backbone', None)
        if hasattr(backbone, 'convert_checkpoint'):
            backbone.convert_checkpoint(checkpoint)


@RUNNERS.register_module()
class SafeRunner(MMEngineRunner):
    """MMEngine's Runner, with its arguments.

    * Training loops resume exactly, see :mod:`afno_mm.engine.safety.resume`.
    * A checkpoint to resume from must have exactly the model's weights, and must be from a
      training with the same number of iterations per epoch.
    * ``load_from`` must fill at least half of the model's values.
    * ``activation_checkpointing`` works on modules whose input needs no gradient.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        checkpoint_files.install()
        self._resuming = False
        if kwargs.get('resume') and not kwargs.get('load_from') and kwargs.get('work_dir'):
            newest = checkpoint_files.newest_checkpoint(kwargs['work_dir'])
            kwargs['load_from'] = newest and str(newest)
        randomness = dict(kwargs.get('randomness') or {})
        if randomness.get('seed') is None and kwargs.get('resume') and kwargs.get('load_from'):
            # Set the checkpoint's seed now: MMEngine sets it only after it has built the samplers.
            meta = CheckpointLoader.load_checkpoint(kwargs['load_from'], 'cpu').get('meta', {})
            kwargs['randomness'] = dict(randomness, seed=meta.get('seed'))
        super().__init__(*args, **kwargs)
        self.register_hook(ForeignWeightsHook())

    def build_train_loop(self, loop: Any) -> Any:
        """Build a loop that resumes exactly, in place of MMEngine's own."""
        if isinstance(loop, dict) and is_on(self.cfg, 'exact_resume'):
            loop = resume.train_loop(loop)
        return super().build_train_loop(loop)

    def train(self) -> Any:
        """Train. Put the former signal handlers back even if the training fails."""
        try:
            return super().train()
        finally:
            for hook in self.hooks:
                if isinstance(hook, StopSignalHook):
                    hook.after_train(self)

    def _init_model_weights(self) -> None:
        super()._init_model_weights()
        # Replace MMEngine's re-entrant checkpointing: with it, parameters of a module get no
        # gradient if the module's input needs none, such as the image.
        modules = self.cfg.pop('activation_checkpointing', None)
        for name in [modules] if isinstance(modules, str) else modules or ():
            module = bare_model(self).get_submodule(name)
            module.forward = partial(checkpoint, module.forward, use_reentrant=False)

    def resume(self, filename: str, *args: Any, **kwargs: Any) -> None:
        """Resume as MMEngine does, with the checks of :meth:`load_checkpoint`."""
        self._resuming = True
        try:
            super().resume(filename, *args, **kwargs)
        finally:
            self._resuming = False

    def load_or_resume(self) -> None:
        """Load or resume as MMEngine does. All processes must reach the same iteration."""
        super().load_or_resume()
        reached = all_gather_object(self.iter)
        if len(set(reached)) > 1:
            raise ValueError(
                f'the processes resume after different iterations, {reached} by rank: not all of '
                'them see the same work dir. Put it where all machines can read it'
            )

    def load_checkpoint(
        self, filename: str, map_location: Any = 'cpu', strict: bool = False, **kwargs: Any
    ) -> Any:
        """Load weights, and check them by the rules that the class describes."""
        checked = is_on(self.cfg, 'strict_weights')
        exact = strict or (self._resuming and checked)
        try:
            loaded = super().load_checkpoint(filename, map_location, exact, **kwargs)
        except RuntimeError as error:
            raise failures.other_model(filename, error) or error from None
        check_weights(bare_model(self), str(filename))
        if self._resuming:
            lacking = [k for k in ('meta', 'message_hub', 'optimizer') if k not in loaded]
            if lacking and checked:
                raise ValueError(
                    f'a training cannot resume from {filename}, which lacks {", ".join(lacking)}, '
                    'as best_*.pth does. Resume from epoch_*.pth or iter_*.pth, or start a new '
                    f'training from the weights: --cfg-options load_from={filename}'
                )
            self._check_epoch(filename, loaded.get('meta', {}))
        elif not strict and checked:
            self._check_share(filename, loaded)
        return loaded

    def _check_epoch(self, filename, meta):
        before, now = meta.get('iterations_per_epoch'), len(self.train_dataloader)
        sampler = self.train_dataloader.sampler
        if before and isinstance(getattr(sampler, 'sampler', sampler), InfiniteSampler):
            # Its length is that of all processes together.
            before, now = -(-before // meta['world_size']), -(-now // get_world_size())
        if before not in (None, now):
            raise ValueError(
                f'{filename} is from a training of {before} iterations per epoch on '
                f'{meta["world_size"]} processes, this one has {now} on {get_world_size()}: the '
                'schedule would not fit. Keep batch_size x processes as it was, or start a new '
                'training from the weights: --cfg-options load_from=CHECKPOINT'
            )

    def _check_share(self, filename, loaded):
        from ...backbones.pretrained import run_load_hooks  # imports MMSegmentation

        state = tensors_of(loaded)
        run_load_hooks(bare_model(self), state)
        own = bare_model(self).state_dict()
        total = sum(tensor.numel() for tensor in own.values())
        fitting = [k for k, t in own.items() if k in state and state[k].shape == t.shape]
        share = sum(own[k].numel() for k in fitting) / max(total, 1)
        new = [k for k in own if k not in fitting]
        sizes = [f'{k} {(*state[k].shape,)} for {(*own[k].shape,)}' for k in new if k in state]
        differ = f'; of another size: {first(sizes, 2)}' if sizes else ''
        self.logger.info(
            f'{filename}: {len(fitting)} of {len(own)} tensors loaded, {share:.1%} of the values; '
            f'new: {first(new) or "none"}{differ}'
        )
        if share < MIN_MATCH:
            raise ValueError(
                f'load_from={filename} fills {share:.1%} of the model, {len(fitting)} of '
                f'{len(own)} tensors, and must fill at least {MIN_MATCH:.0%}{differ}. It is from '
                'another model: use its own config, or model.backbone.init_cfg for a backbone alone'
            )
