"""Run one training step of a config's model on random images."""

import resource
import time

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.runner.activation_checkpointing import turn_on_activation_checkpointing

from ..tasks import task_of
from .model import build_model, image_size


def one_step(
    cfg: Config, size: tuple[int, int] | None = None, batch_size: int = 1, amp: bool = False
) -> dict:
    """Run one optimiser step on random images, from the initial weights of the constructors.

    The ``size`` of the images is ``(H, W)``, by default the config's. ``amp`` turns on mixed
    precision: float16 without loss scaling, or bfloat16 on a CPU.

    Returns:
        ``loss``; ``parameters``, their number; ``size``; ``seconds``; ``peak_gib``, the peak memory
        of this step on a CUDA GPU, or else the peak memory of the process since it began;
        ``without_gradient``, the names of parameters that got no gradient.
    """
    size = size or image_size(cfg)
    device = get_device()
    model = build_model(cfg, size, device).train()
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    turn_on_activation_checkpointing(model, cfg.get('activation_checkpointing', []))
    batch = task_of(cfg).random_batch(cfg.model, size, batch_size)
    if device == 'cuda':
        torch.cuda.reset_peak_memory_stats()
        torch.cuda.synchronize()
    start = time.perf_counter()
    dtype = torch.bfloat16 if device == 'cpu' else torch.float16
    with torch.autocast(device, dtype, enabled=amp):
        losses = model(**model.data_preprocessor(batch, True), mode='loss')
        loss, _ = model.parse_losses(losses)
    optimizer.backward(loss)
    trained = ((name, p) for name, p in model.named_parameters() if p.requires_grad)
    without_gradient = [name for name, p in trained if p.grad is None]
    optimizer.step()
    if device == 'cuda':
        torch.cuda.synchronize()
        peak = torch.cuda.max_memory_allocated()
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return dict(
        loss=loss.item(),
        parameters=sum(p.numel() for p in model.parameters()),
        size=size,
        seconds=time.perf_counter() - start,
        peak_gib=peak / 2**30,
        without_gradient=without_gradient,
    )
