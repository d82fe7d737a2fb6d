"""Read a picture, and prepare it as the test pipeline of a model's config does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from afno_mm.registry import type_name
from afno_mm.tasks import task_of
from afno_mm.tasks.dataset_configs import test_dataset
from mmengine.dataset import Compose
from mmengine.registry import FUNCTIONS, TRANSFORMS, DefaultScope
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor


@dataclass
class Prepared:
    """A picture as the network gets it.

    ``images`` is the backbone's input ``(1, 3, H, W)``, ``picture`` the same as uint8 RGB
    ``(H, W, 3)``. For inpainting, ``whole`` is the picture without the mask.
    """

    images: Tensor
    picture: np.ndarray
    whole: np.ndarray | None = None


def read_picture(path: str | Path) -> np.ndarray:
    """Read an image file as uint8 RGB ``(H, W, 3)``, turned as its EXIF data say.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no image, or is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'there is no image {path}')
    try:
        with Image.open(path) as image:
            image = ImageOps.exif_transpose(image)
            if image.mode.startswith('I') or image.mode == 'F':  # more than 8 bits
                values = np.asarray(image, dtype=np.float64)
                image = Image.fromarray((values * (255 / max(values.max(), 1))).astype(np.uint8))
            return np.array(image.convert('RGB'))
    except UnidentifiedImageError:
        raise ValueError(
            f'{path.name} is not an image that can be read ({path.stat().st_size} bytes): give a '
            'file such as .jpg or .png'
        ) from None
    except Image.DecompressionBombError as error:
        raise ValueError(f'{path.name} is too large: {error}') from None
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f'{path.name} is damaged: {error}') from None


def read_for(model: Any, path: str | Path) -> np.ndarray:
    """Read an image file as the test pipeline of ``model.cfg`` does if it has more than 8 bits."""
    steps = test_dataset(model.cfg).get('pipeline') or ()
    deep = next((step for step in steps if type_name(step['type']) == 'LoadDeepImage'), None)
    if deep is None or not Path(path).is_file():
        return read_picture(path)
    with DefaultScope.overwrite_default_scope(model.cfg.get('default_scope')):
        image = TRANSFORMS.build(deep)(dict(img_path=str(path)))['img']
    return np.ascontiguousarray(image[..., ::-1])


def prepare(model: Any, picture: np.ndarray, resize: bool = True) -> Prepared:
    """Prepare a picture ``(H, W, 3)``, uint8 RGB, by the test pipeline of ``model.cfg``.

    Without ``resize``, leave out the pipeline's steps that resize or crop.

    Raises:
        ValueError: If a step of the pipeline needs more than a picture.
    """
    cfg = model.cfg
    task = task_of(cfg)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        steps = Compose(_steps(cfg, resize))
        bgr = np.ascontiguousarray(picture[..., ::-1])
        size = picture.shape[:2]
        sample = dict(img=bgr, img_path='', img_shape=size, ori_shape=size, sample_idx=0)
        try:
            sample = steps(sample)
        except (KeyError, TypeError) as error:
            raise ValueError(
                f'the test pipeline of the config needs more than a picture: {error!r}. Its steps '
                f'are {[type_name(step["type"]) for step in _steps(cfg, resize)]}'
            ) from error
        batch = FUNCTIONS.get(task.collate(cfg))([sample])
    preprocessor = model.data_preprocessor
    with torch.no_grad():
        inputs = preprocessor(batch, False)['inputs']
        images = task.network_input(inputs)
        whole = task.network_input(inputs, masked=False)
    masked = not torch.equal(images, whole)
    return Prepared(
        images, _shown(preprocessor, images), _shown(preprocessor, whole) if masked else None
    )


def fits_whole_image(model: Any) -> bool:
    """Return True if the test pipeline neither crops nor pads: the input shows the whole image."""
    return not any(word in _kinds(model.cfg) for word in ('Crop', 'Pad'))


def _kinds(cfg):
    return ' '.join(type_name(step['type']) for step in cfg.test_dataloader.dataset.pipeline)


def _steps(cfg, resize):
    """Return the test pipeline without loading. If not ``resize``, leave out resizing and crops."""
    dropped = ('Resize', 'Crop') if not resize else ()
    steps = []
    for step in cfg.test_dataloader.dataset.pipeline:
        kind = type_name(step['type'])
        if not kind.startswith('Load') and not any(word in kind for word in dropped):
            steps.append(step)
    return steps


def _shown(preprocessor, images):
    """Return normalised images (1, 3, H, W) as a picture (H, W, 3), uint8 RGB."""
    mean, std = (getattr(preprocessor, name, None) for name in ('mean', 'std'))
    values = images[0] if mean is None else images[0] * std + mean
    return values.round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
