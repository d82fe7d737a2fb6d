"""Export a config's model, and check the file against PyTorch."""

import copy
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import nn

from ..engine import build_model, image_size, read_config
from ..hub import from_pretrained
from ..tasks import task_of
from .formats import FORMATS, ExportError, Request, check_compiler, check_packages
from .network import Network, describe
from .parity import HALF_TOLERANCE, TOLERANCE, Parity, check_parity
from .portable import portable

# Which axes of the input may change between calls of the exported program: axis -> name.
DYNAMIC: dict[str, dict[int, str]] = {
    'none': {},
    'batch': {0: 'batch'},
    'batch-and-size': {0: 'batch', 2: 'height', 3: 'width'},
}


@dataclass
class Exported:
    """An exported file. ``outputs`` has the shape of each output.

    ``parity`` has for each file one result per test input. ``notes`` are sentences for the user.
    """

    path: Path
    metadata: dict[str, str]
    outputs: dict[str, tuple[int, ...]]
    how_to_run: str
    parity: dict[Path, list[Parity]]
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Return True if all files agree with PyTorch. Otherwise export_model kept none."""
        return all(result.ok for results in self.parity.values() for result in results)


def export_model(
    cfg: Config | str,
    checkpoint: str | Path | nn.Module | None = None,
    out: str | Path | None = None,
    *,
    format: str = 'onnx',
    size: tuple[int, int] | None = None,
    dynamic: str = 'batch',
    with_preprocessing: bool = False,
    labels: bool = False,
    half: bool = False,
    opset: int | None = None,
    package: bool = False,
    step: Callable[[], object] = lambda: None,
) -> Exported:
    """Export a config's model and compare the file with PyTorch on random images.

    Args:
        cfg: A config or its file.
        checkpoint: Trained weights, or a model that has them. None exports initial weights.
        out: File to write. Default: ``work_dirs/NAME/NAME`` with the suffix of the format.
        format: A key of :data:`.FORMATS`.
        size: Size ``(H, W)`` of the images. Default: the training size of the config.
        dynamic: A key of :data:`DYNAMIC`: which axes may change.
        with_preprocessing: Whether the file takes uint8 images and normalises them itself.
        labels: Whether to also return the predicted classes.
        half: Whether the model runs in float16.
        opset: ONNX opset. Default: the newest that torch writes for the model.
        package: Whether to also compile an ``exported_program`` with AOTInductor for this CPU, to
            ``out`` with the suffix .aoti.pt2.
        step: Called after each of the steps build, run, write, compile (if asked for) and check.

    Raises:
        ExportError: If the settings contradict each other, the model cannot be exported with
            them, or the file fails on images that it should take.
        ModuleNotFoundError: If packages for ONNX are missing.
        FileNotFoundError: If a package is asked for and there is no C++ compiler.
    """
    if package and format != 'exported_program':
        raise ExportError(f'--compile-package needs --format exported_program, got {format}')
    if opset is not None and format != 'onnx':
        raise ExportError(f'--opset is for --format onnx, got --format {format}')
    if format == 'onnx':
        check_packages()
    if package:
        check_compiler()
    for argument, value, known in (('format', format, FORMATS), ('dynamic', dynamic, DYNAMIC)):
        if value not in known:
            raise ExportError(f'{argument} must be one of {", ".join(known)}, got {value!r}')
    cfg = read_config(str(cfg)) if isinstance(cfg, (str, Path)) else cfg
    size = size or image_size(cfg)
    if isinstance(checkpoint, nn.Module):
        model: Any = copy.deepcopy(checkpoint).float().cpu().eval()
    elif checkpoint:
        model = from_pretrained(cfg, weights=checkpoint)
    else:
        model = build_model(cfg, None, 'cpu').eval()
    network = Network(model, task_of(cfg), labels, with_preprocessing).eval().requires_grad_(False)
    name = Path(cfg.filename or 'model').stem
    path = Path(out or Path('work_dirs', name, name + FORMATS[format].suffix))
    if format == 'exported_program' and path.suffix != '.pt2':
        raise ExportError(f'PyTorch loads programs from files named *.pt2, got --out {path}')
    path.parent.mkdir(parents=True, exist_ok=True)
    step()
    with torch.no_grad():
        inputs = [network.random_images(*shape) for shape in _shapes(size, dynamic)]
        # Compute these in float32, also for a float16 file.
        expected = [network.outputs(images) for images in inputs]
        if half:
            network.use_half()
        metadata = describe(cfg, checkpoint, network, dynamic)
        step()
        # Files move to their place when the check has passed: until then, older ones stay there.
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            new = Path(folder, path.name)
            request = Request(
                network, inputs[0], DYNAMIC[dynamic], list(expected[0]), new, metadata, opset
            )
            with portable(network):
                FORMATS[format].write(request)
            step()
            loaders = {new: FORMATS[format].load}
            if package:
                compiled = new.with_name(new.name.removesuffix('.pt2') + '.aoti.pt2')
                program = torch.export.load(new)
                torch._inductor.aoti_compile_and_package(program, package_path=str(compiled))
                loaders[compiled] = lambda file: torch._inductor.aoti_load_package(str(file))
                step()
            tolerance = HALF_TOLERANCE if half else TOLERANCE
            parity = {
                path.with_name(file.name): check_parity(expected, load(file), inputs, tolerance)
                for file, load in loaders.items()
            }
            step()
            if all(result.ok for results in parity.values() for result in results):
                for file in Path(folder).iterdir():  # A large ONNX file has a second one, *.data.
                    file.replace(path.with_name(file.name))
    return Exported(
        path,
        metadata,
        {name: tuple(value.shape) for name, value in expected[0].items()},
        FORMATS[format].how_to_run.format(path=path),
        parity,
        _notes(cfg, checkpoint),
    )


def _shapes(size: tuple[int, int], dynamic: str) -> list[tuple[int, tuple[int, int]]]:
    """Return pairs (batch size, image size) to check. The first is for the example input."""
    if dynamic == 'none':
        return [(1, size)]
    if dynamic == 'batch':
        return [(2, size), (1, size)]
    height, width = size
    # Add an image size that is no multiple of the usual patches and windows.
    return [(2, size), (1, (height + height // 4 + 3, width + width // 8 + 1))]


def _notes(cfg: Config, checkpoint: Any) -> list[str]:
    """Return notes for the user: initial weights, and steps of a test that the file leaves out."""
    notes = []
    if checkpoint is None:
        notes.append('no checkpoint was given: the file has initial weights')
    test: Any = cfg.model.get('test_cfg') or {}
    if test.get('mode') == 'slide':
        notes.append(
            f'test_cfg cuts images into windows of {tuple(test.crop_size)} with stride '
            f'{tuple(test.stride)}. The file takes one window: cut and average outside of it'
        )
    preprocessor = cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor') or {}
    padding = preprocessor.get('test_cfg') or preprocessor.get('pad_size_divisor', 1) > 1
    if padding:
        notes.append('data_preprocessor pads test images. The file does not: pad outside of it')
    return notes
