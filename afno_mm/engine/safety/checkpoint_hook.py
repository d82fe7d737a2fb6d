"""A CheckpointHook that never removes a checkpoint before it has written the next one."""

from pathlib import Path
from typing import Any

from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook

from ...registry import HOOKS
from .checkpoint_files import plain_history, remove_unfinished
from .numbers import not_finite
from .stop import remove_stopped


class _LateRemoval:
    """A file backend that removes files only when ``remove_now`` is called."""

    def __init__(self, backend):
        self._backend = backend
        self._waiting: list[str] = []

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def remove(self, path):
        self._waiting.append(path)

    rmtree = remove

    def remove_now(self, written):
        for path in set(self._waiting) - set(written):
            if self._backend.isfile(path):
                self._backend.remove(path)
            elif self._backend.isdir(path):
                self._backend.rmtree(path)
        self._waiting.clear()


@HOOKS.register_module()
class CheckpointHook(MMEngineCheckpointHook):
    """MMEngine's hook, with its arguments. It writes the new file before it removes the old one.

    MMEngine removes the oldest checkpoint, and the previous best one, before it writes. If the
    training is killed in between, the old and the new one are lost. To record the best score,
    MMEngine also overwrites the newest checkpoint. :class:`AtomicLocalBackend` makes this safe.

    The hook never saves weights that are not finite.
    """

    file_backend: Any
    best_ckpt_path: str | None

    def before_train(self, runner: Any) -> None:
        """Set up as MMEngine does, then delay removals and follow a work dir that has moved."""
        super().before_train(runner)
        if is_main_process():
            remove_unfinished(self.out_dir)
        self.file_backend = _LateRemoval(self.file_backend)
        if getattr(self, 'best_ckpt_path', None):
            self.best_ckpt_path = self._here(self.best_ckpt_path)
        for name, path in getattr(self, 'best_ckpt_path_dict', {}).items():
            self.best_ckpt_path_dict[name] = path and self._here(path)

    def _here(self, path):
        return str(Path(self.out_dir, Path(path).name))

    def _save_checkpoint_with_step(self, runner, step, meta):
        # MMEngine removes old files before it saves the new one. _LateRemoval only notes them.
        super()._save_checkpoint_with_step(runner, step, meta)
        self._remove_old()
        remove_stopped(self.last_ckpt, meta['iter'])

    def _save_best_checkpoint(self, runner, metrics):
        if not hasattr(self, 'file_backend'):
            return  # In runner.val() without a training, MMEngine's method would fail.
        super()._save_best_checkpoint(runner, metrics)
        self._remove_old()

    def _remove_old(self):
        if is_main_process():
            best = getattr(self, 'best_ckpt_path_dict', {}).values()
            last = self.last_ckpt, getattr(self, 'best_ckpt_path', None)
            self.file_backend.remove_now([*last, *best])

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Raise FloatingPointError for weights that are not finite. Make the history plain data."""
        bad = not_finite(checkpoint['state_dict'].items())
        if bad:
            raise FloatingPointError(
                f'{len(bad)} tensors of the model are not finite, the first is {bad[0]}: no '
                'checkpoint is written. The earlier ones stay'
            )
        plain_history(checkpoint)
        # SafeRunner compares these with the resuming training.
        checkpoint['meta'].update(
            iterations_per_epoch=len(runner.train_dataloader), world_size=get_world_size()
        )
