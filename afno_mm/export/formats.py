"""The file formats: functions that write a file, and functions that load it for the check."""

import contextlib
import io
import json
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

Run = Callable[[Tensor], Any]
EXTRA_FILE = 'metadata.json'
ONNX_PACKAGES = ('onnx', 'onnxruntime', 'onnxscript')


class ExportError(ValueError):
    """The model cannot be exported as asked. The message says what to use instead."""


@dataclass
class Request:
    """What to write: a module, an example input, and which of its axes are dynamic."""

    module: nn.Module
    example: Tensor
    axes: dict[int, str]  # axis of the input -> its name
    outputs: list[str]
    path: Path
    metadata: dict[str, str]
    opset: int | None = None

    def program(self) -> torch.export.ExportedProgram:
        """Return the module as a program of torch.export.

        Raises:
            ExportError: If an axis cannot be dynamic.
        """
        shapes = ({axis: torch.export.Dim.DYNAMIC for axis in self.axes} or None,)
        try:
            return torch.export.export(
                self.module, (self.example,), dynamic_shapes=shapes, strict=False
            )
        except Exception as error:
            if not self.axes:
                raise
            raise ExportError(
                f'this model cannot be exported with dynamic {", ".join(self.axes.values())}. Use '
                f'--dynamic batch or none, with one file for each --size. Reason: {one_line(error)}'
            ) from error


def one_line(error: BaseException) -> str:
    """Return the text of an error in one line."""
    return ' '.join(str(error).split())[:600] or type(error).__name__


def check_packages() -> None:
    """Raise ModuleNotFoundError unless the packages of the extra 'export' are installed."""
    missing = [name for name in ONNX_PACKAGES if find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f'--format onnx needs {", ".join(missing)} (extra "export"). '
            f'Run: pip install {" ".join(ONNX_PACKAGES)}'
        )


def write_onnx(request: Request) -> None:
    """Write an ONNX file. Its metadata_props hold the metadata."""
    program = request.program()
    try:
        with _quiet():
            result: Any = torch.onnx.export(
                program,
                (),
                dynamo=True,
                verbose=False,
                opset_version=request.opset,
                input_names=['images'],
                output_names=request.outputs,
            )
    except Exception as error:
        raise ExportError(
            f'torch {torch.__version__} cannot convert this model to ONNX. Use a newer torch, or '
            f'--format torchscript. Reason: {one_line(error.__cause__ or error)}'
        ) from error
    graph = result.model.graph
    axes = {str(graph.inputs[0].shape[axis]): name for axis, name in request.axes.items()}
    for value in (*graph.inputs, *graph.outputs):
        for axis, size in enumerate(value.shape):
            if str(size) in axes:
                value.shape[axis] = axes[str(size)]
    opset = result.model.opset_imports['']
    if request.opset not in (None, opset):
        raise ExportError(
            f'torch {torch.__version__} cannot write opset {request.opset} for this model, only '
            f'{opset}: use --opset {opset}, or leave it out'
        )
    request.metadata['opset'] = str(opset)
    result.model.metadata_props.update(request.metadata)
    result.save(str(request.path))


def load_onnx(path: Path) -> Run:
    """Return a function that runs an ONNX file in ONNX Runtime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # fatal errors only; other errors are raised
    session = onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    return lambda images: tuple(
        map(torch.from_numpy, session.run(None, {'images': images.numpy()}))
    )


def write_torchscript(request: Request) -> None:
    """Write a traced TorchScript file. Its extra file metadata.json holds the metadata."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # The tracer warns of constants; the check finds them.
        traced = torch.jit.trace(request.module, request.example, check_trace=False)
        torch.jit.save(traced, str(request.path), _extra_files=_extra_files(request))


def load_torchscript(path: Path) -> Run:
    """Return a function that runs a TorchScript file."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', DeprecationWarning)
        return torch.jit.load(str(path), map_location='cpu')


def write_exported_program(request: Request) -> None:
    """Write a program of torch.export. Its extra file metadata.json holds the metadata."""
    torch.export.save(request.program(), request.path, extra_files=_extra_files(request))


def load_exported_program(path: Path) -> Run:
    """Return a function that runs a program of torch.export."""
    return torch.export.load(path).module()


def check_compiler() -> None:
    """Raise FileNotFoundError unless there is a C++ compiler for AOTInductor."""
    compiler = os.environ.get('CXX', 'g++')
    if shutil.which(compiler) is None:
        raise FileNotFoundError(
            f'--compile-package needs a C++ compiler, and there is no {compiler}: install one '
            '(apt-get install g++) or name one in the environment variable CXX'
        )


@dataclass
class Format:
    """A file format. ``how_to_run`` is a line of Python with {path}."""

    suffix: str
    write: Callable[[Request], None]
    load: Callable[[Path], Run]
    how_to_run: str


FORMATS = {
    'onnx': Format(
        '.onnx',
        write_onnx,
        load_onnx,
        "onnxruntime.InferenceSession('{path}').run(None, {{'images': images}})",
    ),
    'torchscript': Format(
        '.torchscript.pt', write_torchscript, load_torchscript, "torch.jit.load('{path}')(images)"
    ),
    'exported_program': Format(
        '.pt2',
        write_exported_program,
        load_exported_program,
        "torch.export.load('{path}').module()(images)",
    ),
}


def _extra_files(request: Request) -> dict[str, Any]:
    return {EXTRA_FILE: json.dumps(request.metadata)}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide the progress, warnings and log messages of torch.onnx."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(before)
