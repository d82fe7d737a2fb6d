"""Predict labels of pixels, a class, or an inpainted picture. Measure time and memory."""

import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from afno_mm.engine.model import image_size
from afno_mm.tasks import task_of
from PIL import Image
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from .inputs import Prepared

Progress = Callable[[float, str], Any]


@dataclass
class Row:
    """A class of a prediction: its share of the pixels, or its probability."""

    name: str
    colour: tuple[int, int, int] | None
    share: float


@dataclass
class Prediction:
    """The prediction of a model for one picture ``(H, W)``.

    Attributes:
        rows: Classes, the largest share first. Segmentation: only the classes that occur, with
            their share of the pixels. Classification: all classes, with their probability.
        labels: Class indices ``(H, W)`` of a segmentation, else None.
        image: Reconstruction ``(H, W, 3)``, uint8 RGB, of an inpainting model, else None.
        seconds: Time of the prediction, after a first run as a warm-up.
        memory: Peak memory of one window in bytes, without the weights, see :func:`peak_bytes`.
        windows: Number of windows, 1 for the whole picture.
        palette: RGB colour of each class of a segmentation, else [].
    """

    rows: list[Row] = field(default_factory=list)
    labels: np.ndarray | None = None
    image: np.ndarray | None = None
    seconds: float = 0.0
    memory: int = 0
    windows: int = 1
    palette: list = field(default_factory=list)


def predict(model: Any, prepared: Prepared, progress: Progress | None = None) -> Prediction:
    """Run a model on a prepared picture.

    A segmentation model gets the image window by window (see :func:`window_of`) if its config says
    so, or if the image has more than 1.5 times the area of a window. ``progress(share, text)`` is
    then called before each window.
    """
    task = task_of(model.cfg)
    result = Prediction()
    boxes = [(slice(None), slice(None))]
    if in_windows(model, prepared.images):
        boxes = window_boxes(prepared.images.shape[2:], *window_of(model))
    images = prepared.images
    with torch.no_grad():
        rows, columns = boxes[0]
        # This run also warms up: the first call of a model takes longer.
        one = images[:, :, rows, columns]
        result.memory = peak_bytes(lambda: task.outputs(model, one), images.device)
        start = time.perf_counter()
        outputs = _run(task, model, images, boxes, progress)
        if images.device.type == 'cuda':
            torch.cuda.synchronize(images.device)
    result.seconds = time.perf_counter() - start
    result.windows = len(boxes)
    names = (getattr(model, 'dataset_meta', None) or {}).get('classes')
    if 'image' in outputs:
        result.image = _picture(model, outputs['image'])
    elif outputs['logits'].ndim == 2:
        result.rows = _rows(outputs['logits'][0].softmax(0).cpu().numpy(), names, None)
    else:
        logits = outputs['logits'][0]
        result.labels = _labels(model, logits)
        count = max(len(logits), 2)
        result.palette = _palette(model, count)
        shares = np.bincount(result.labels.ravel(), minlength=count) / result.labels.size
        result.rows = [row for row in _rows(shares, names, result.palette) if row.share > 0]
    return result


def window_of(model: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return size and stride ``(H, W)`` of the windows into which large images are cut.

    If ``model.test_cfg`` has mode='slide', it has both. Otherwise the size is the training size of
    the config, or 1024x1024 if it has none, and the stride is three quarters of the size.
    """
    test_cfg = getattr(model, 'test_cfg', None) or {}
    if test_cfg.get('mode') == 'slide':
        return tuple(test_cfg['crop_size']), tuple(test_cfg['stride'])
    try:
        size = image_size(model.cfg)
    except ValueError:
        size = (1024, 1024)
    return size, (size[0] * 3 // 4, size[1] * 3 // 4)


def in_windows(model: Any, images: Tensor) -> bool:
    """Return True if :func:`predict` cuts images into windows."""
    if not hasattr(model, 'encode_decode'):
        return False
    if (getattr(model, 'test_cfg', None) or {}).get('mode') == 'slide':
        return True
    (height, width), _ = window_of(model)
    return images.shape[2] * images.shape[3] > 1.5 * height * width


def window_boxes(
    size: tuple[int, ...], window: tuple[int, int], stride: tuple[int, int]
) -> list[tuple[slice, slice]]:
    """Return rows and columns of windows that cover an image, placed as in MMSegmentation."""
    axes = []
    for length, wide, step in zip(size, window, stride):
        starts = range(0, max(length - wide + step - 1, 0) // step * step + 1, step)
        ends = [min(start + wide, length) for start in starts]
        axes.append([slice(max(end - wide, 0), end) for end in ends])
    return [(rows, columns) for rows in axes[0] for columns in axes[1]]


def overlay(picture: np.ndarray, prediction: Prediction, opacity: float = 0.55) -> np.ndarray:
    """Resize labels to a picture ``(H, W, 3)``, and blend their colours into it."""
    assert prediction.labels is not None
    labels = Image.fromarray(prediction.labels.astype(np.int32))
    labels = np.asarray(labels.resize(picture.shape[1::-1], Image.Resampling.NEAREST))
    colours = np.array(prediction.palette, dtype=np.float64)[labels]
    return (picture * (1 - opacity) + colours * opacity).round().astype(np.uint8)


def _run(task, model, images, boxes, progress) -> dict[str, Tensor]:
    """Return the outputs of a whole image, or the mean logits of its windows."""
    if len(boxes) == 1:
        return task.outputs(model, images)
    total: Any = None
    counts = images.new_zeros(images.shape[2:])
    for number, (rows, columns) in enumerate(boxes):
        if progress:
            progress(number / len(boxes), f'window {number + 1} of {len(boxes)}')
        logits = task.outputs(model, images[:, :, rows, columns])['logits']
        if total is None:
            total = logits.new_zeros(*logits.shape[:2], *images.shape[2:])
        total[:, :, rows, columns] += logits
        counts[rows, columns] += 1
    return dict(logits=total / counts)


def _labels(model, logits):
    """Return labels (H, W). A head with one output channel predicts class 1 above a threshold."""
    if len(logits) > 1:
        return logits.argmax(0).cpu().numpy()
    return (logits[0].sigmoid() > model.decode_head.threshold).long().cpu().numpy()


def _rows(shares, names, palette):
    rows = []
    for k in np.argsort(-shares, kind='stable'):
        name = names[k] if names and k < len(names) else f'class {k}'
        rows.append(Row(str(name), tuple(palette[k]) if palette else None, float(shares[k])))
    return rows


def _palette(model, count):
    """Return the colours of the classes. Classes without a known colour get a random one."""
    known = (getattr(model, 'dataset_meta', None) or {}).get('palette') or []
    drawn = np.random.default_rng(0).integers(0, 256, (count, 3)).tolist()
    return [list(rgb) for rgb in [*known, *drawn[len(known) :]]]


def _picture(model, image):
    pixels = model.data_preprocessor.to_uint8(image)[0]
    return pixels.permute(1, 2, 0).cpu().numpy()


def peak_bytes(run: Callable[[], Any], device: torch.device) -> int:
    """Call ``run()``. Return the largest number of bytes that it holds at one time.

    On a GPU, all memory of PyTorch's allocator counts. On a CPU, see :class:`CountedStorages`.
    """
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with CountedStorages() as counted:
        run()
    return counted.peak


class CountedStorages(TorchDispatchMode):
    """Count the bytes of all tensors that operators return inside this context.

    ``peak`` is the largest sum alive at one time. Buffers inside an operator do not count.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.alive: dict[int, weakref.ref] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        given = {
            t.untyped_storage().data_ptr() for t in tree_iter((args, kwargs)) if torch.is_tensor(t)
        }
        for tensor in tree_iter(result):
            if torch.is_tensor(tensor) and tensor.untyped_storage().data_ptr() not in given:
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage):
        key = storage.data_ptr()
        if not key or key in self.alive:
            return
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)

        def freed(_):
            self.now -= size
            del self.alive[key]

        self.alive[key] = weakref.ref(storage, freed)
