"""One training step of a config's model on random images: does it run, and at what cost."""

import resource
import time

import torch
from mmengine.config import ConfigDict
from mmengine.device import get_device
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner.activation_checkpointing import turn_on_activation_checkpointing
from mmengine.structures import PixelData
from mmpretrain.structures import DataSample
from mmseg.structures import SegDataSample

from .runner import type_name


def image_size(cfg):
    """The size ``(H, W)`` at which a config's model is trained.

    Args:
        cfg (Config): Of segmentation, where the data preprocessor knows, or of MMPretrain, where
            the last crop or resizing of the training pipeline does.

    Raises:
        ValueError: If neither does.
    """
    size = cfg.model.get('data_preprocessor', {}).get('size')
    if size is None:
        for transform in cfg.get('train_pipeline', []):
            size = transform.get('crop_size') or transform.get('scale') or size
    if size is None:
        raise ValueError(
            'neither model.data_preprocessor.size nor a crop of train_pipeline says '
            'how large the images are: give --size (one_step.py) or --shape '
            '(get_flops.py)'
        )
    return (size, size) if isinstance(size, int) else tuple(size)


def random_batch(model_cfg, size, batch_size):
    """Images of noise with labels of noise, as the data loader of the model's task gives them.

    Args:
        model_cfg (dict): ``type`` tells the task.
        size (tuple[int, int]): ``(H, W)``.
        batch_size (int): Number of images.

    Returns:
        dict: ``inputs`` and ``data_samples``.
    """
    kind = type_name(model_cfg.type)
    samples = []
    for _ in range(batch_size):
        if kind == 'EncoderDecoder':
            classes = model_cfg.decode_head.num_classes
            labels = PixelData(data=torch.randint(classes, (1, *size)))
            sample = SegDataSample(gt_sem_seg=labels)
            sample.set_metainfo(dict(img_shape=size, ori_shape=size))
        elif kind == 'ImageClassifier':
            sample = DataSample().set_gt_label(torch.randint(model_cfg.head.num_classes, (1,)))
        elif kind == 'InpaintingModel':
            sample = DataSample()
            sample.set_field(torch.rand(size) < 0.3, 'mask')
        else:
            raise ValueError(f'no random labels are known for models of type {model_cfg.type}')
        samples.append(sample)
    images = torch.randint(0, 256, (batch_size, 3, *size), dtype=torch.uint8)
    stacked = kind != 'EncoderDecoder'
    return dict(inputs=images if stacked else list(images), data_samples=samples)


def build_model(cfg, size, device):
    """A config's model, with the weights it is built with.

    Args:
        cfg (Config): The config.
        size (tuple[int, int], optional): ``(H, W)`` that the data preprocessor pads training
            images to, by default the config's.
        device (str): Where the model is to be.
    """
    model_cfg = ConfigDict(cfg.model)
    if 'data_preprocessor' in cfg:  # where MMPretrain's configs have it
        model_cfg.setdefault('data_preprocessor', cfg.data_preprocessor)
    if size and 'size' in model_cfg.get('data_preprocessor', {}):
        model_cfg.data_preprocessor = dict(model_cfg.data_preprocessor, size=size)
    if torch.device(device).type == 'cpu':
        # Synchronised batch norm is for several GPUs.
        model_cfg = _replaced(model_cfg, 'SyncBN', 'BN')
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return MODELS.build(model_cfg).to(device)


def one_step(cfg, size=None, batch_size=1, amp=False):
    """A step of a config's optimiser on its model, from the weights it is built with.

    Args:
        cfg (Config): The config.
        size (tuple[int, int], optional): ``(H, W)`` of the images, by default the config's own.
        batch_size (int): Number of images.
        amp (bool): Whether in mixed precision: float16 without loss scaling, on a CPU bfloat16.

    Returns:
        dict: ``loss``, ``parameters``, ``size``, ``seconds`` and ``peak_gib``, the most memory:
        of the GPU, or on a CPU of this process since it began; ``without_gradient``, names of the
        parameters that the loss does not reach.
    """
    size = size or image_size(cfg)
    device = get_device()
    model = build_model(cfg, size, device).train()
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    turn_on_activation_checkpointing(model, cfg.get('activation_checkpointing', []))
    batch = random_batch(cfg.model, size, batch_size)
    if device != 'cpu':
        torch.cuda.reset_peak_memory_stats()
        torch.cuda.synchronize()
    start = time.perf_counter()
    dtype = torch.bfloat16 if device == 'cpu' else torch.float16
    with torch.autocast(device, dtype, enabled=amp):
        losses = model(**model.data_preprocessor(batch, True), mode='loss')
        loss, _ = model.parse_losses(losses)
    optimizer.backward(loss)
    without_gradient = [
        n for n, p in model.named_parameters() if p.requires_grad and p.grad is None
    ]
    optimizer.step()
    if device != 'cpu':
        torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    peak = (
        torch.cuda.max_memory_allocated()
        if device != 'cpu'
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )
    return dict(
        loss=loss.item(),
        parameters=sum(p.numel() for p in model.parameters()),
        size=size,
        seconds=seconds,
        peak_gib=peak / 2**30,
        without_gradient=without_gradient,
    )


def _replaced(cfg, old, new):
    if isinstance(cfg, dict):
        return type(cfg)({k: _replaced(v, old, new) for k, v in cfg.items()})
    if isinstance(cfg, (list, tuple)):
        return type(cfg)(_replaced(v, old, new) for v in cfg)
    return new if isinstance(cfg, str) and cfg == old else cfg
