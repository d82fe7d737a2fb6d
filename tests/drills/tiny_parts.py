"""The parts of ``tiny_config.py``: all that is random in a real training, and faults on demand."""

import hashlib
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.registry import DATASETS, HOOKS, METRICS, MODELS, OPTIM_WRAPPERS
from torch import nn
from torch.utils.data import Dataset


@DATASETS.register_module()
class DrillDataset(Dataset):
    """Ten samples. Their transforms draw from all three generators."""

    metainfo = dict(classes=('a', 'b'))

    def __len__(self):
        return 10

    def __getitem__(self, index):
        noise = random.random() + np.random.rand() + torch.rand(1).item()
        return dict(inputs=torch.full((4,), int(index) / 10 + noise), data_samples=int(index))


class InfiniteGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad_output):
        return torch.full_like(grad_output, float('inf'))


@MODELS.register_module()
class DrillModel(BaseModel):
    """Linear layers with dropout and batch norm.

    Args:
        width: Channels of the hidden layer.
        fault_at: The training step in which ``fault`` happens, 0 for none.
        fault: 'nan' or 'inf' (the loss), 'gpu_memory' or 'memory'.
        infinite_gradients: Number of first steps whose gradients are infinite.
        delay: Seconds that each step takes longer.
    """

    def __init__(self, width=8, fault_at=0, fault='nan', infinite_gradients=0, delay=0.0):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4, width), nn.BatchNorm1d(width), nn.Dropout(0.3), nn.Linear(width, 1)
        )
        self.fault_at, self.fault = fault_at, fault
        self.infinite_gradients, self.delay = infinite_gradients, delay
        self.steps = 0

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode != 'loss':
            return [self.layers(inputs)]
        time.sleep(self.delay)
        self.steps += 1
        output = self.layers(inputs)
        if self.steps <= self.infinite_gradients:
            output = InfiniteGradient.apply(output)
        loss = output.square().mean()
        if self.steps == self.fault_at:
            if self.fault == 'gpu_memory':
                raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB')
            if self.fault == 'memory':
                torch.empty(1 << 50)
            loss = loss * float(self.fault)
        return dict(loss=loss)


@METRICS.register_module()
class DrillMetric(BaseMetric):
    """The number of iterations: each validation is the best so far."""

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        hub = MessageHub.get_current_instance()
        return dict(score=hub.get_info('iter') if 'iter' in hub.runtime_info else 0)


@HOOKS.register_module()
class DrillRecorder(Hook):
    """Writes the order, the inputs and the loss of each step to ``steps.jsonl``, bit for bit."""

    priority = 'VERY_LOW'

    def _write(self, runner, **values):
        with Path(runner.work_dir, 'steps.jsonl').open('a') as file:
            file.write(json.dumps(values) + '\n')

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self._write(
            runner,
            iteration=runner.iter + 1,
            order=data_batch['data_samples'].tolist(),
            inputs=[value.hex() for value in data_batch['inputs'][:, 0].tolist()],
            loss=outputs['loss'].item().hex(),
        )

    def after_train(self, runner):
        tensors = runner.model.state_dict().values()
        digest = hashlib.sha256(b''.join(t.numpy().tobytes() for t in tensors)).hexdigest()
        self._write(runner, weights=digest)


@OPTIM_WRAPPERS.register_module()
class DrillScaledWrapper(OptimWrapper):
    """Loss scaling as AmpOptimWrapper does it, which needs a GPU."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.loss_scaler = torch.amp.GradScaler('cpu')

    def backward(self, loss, **settings):
        self.loss_scaler.scale(loss).backward(**settings)
        self._inner_count += 1

    def step(self, **settings):
        if self.clip_grad_kwargs:
            self.loss_scaler.unscale_(self.optimizer)
            self._clip_grad()
        self.loss_scaler.step(self.optimizer, **settings)
        self.loss_scaler.update()
