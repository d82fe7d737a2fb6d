"""MMEngine's CheckpointHook in an order of work that never risks the last good checkpoint."""

from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook

from ...registry import HOOKS
from .checkpoint_files import plain_history, remove_unfinished


class _LateRemoval:
    """A file backend that removes files when it is told to, after new ones are written."""

    def __init__(self, backend):
        self._backend = backend
        self._waiting: list[str] = []

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def remove(self, path):
        self._waiting.append(path)

    rmtree = remove

    def remove_now(self, written):
        for path in self._waiting:
            if path in written:
                continue
            if self._backend.isfile(path):
                self._backend.remove(path)
            elif self._backend.isdir(path):
                self._backend.rmtree(path)
        self._waiting.clear()


@HOOKS.register_module()
class CheckpointHook(MMEngineCheckpointHook):
    """MMEngine's hook, with its arguments. It writes the new file before it removes the old one.

    MMEngine removes the oldest checkpoint, and the previous best one, before it writes. A training
    that is killed in between has lost both. It also names the best checkpoint only by rewriting
    the newest one, which :class:`AtomicLocalBackend` makes safe.

    Weights that are not finite are never saved.
    """

    file_backend: Any
    best_ckpt_path: str | None

    def before_train(self, runner: Any) -> None:
        """Set up as MMEngine's, then delay removals and follow a work dir that has moved."""
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
        # MMEngine counts the files to keep before it saves; it calls remove() on the backend.
        super()._save_checkpoint_with_step(runner, step, meta)
        self._remove_old()

    def _save_best_checkpoint(self, runner, metrics):
        super()._save_best_checkpoint(runner, metrics)
        self._remove_old()

    def _remove_old(self):
        if is_main_process():
            best = getattr(self, 'best_ckpt_path_dict', {}).values()
            self.file_backend.remove_now(
                [self.last_ckpt, getattr(self, 'best_ckpt_path', None), *best]
            )

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Refuse weights that are not finite; make the checkpoint plain data.

        Raises:
            FloatingPointError: If a weight or buffer is not finite.
        """
        bad = [
            name
            for name, tensor in checkpoint['state_dict'].items()
            if tensor.is_floating_point() and not torch.isfinite(tensor).all()
        ]
        if bad:
            raise FloatingPointError(
                f'{len(bad)} tensors of the model are not finite, the first is {bad[0]}: no '
                'checkpoint is written, those that are there stay'
            )
        plain_history(checkpoint)
        # What a resumed training must agree with.
        checkpoint['meta'].update(
            iterations_per_epoch=len(runner.train_dataloader), world_size=get_world_size()
        )
