"""Measure times and bytes of candidates that run in turns in one process."""

import contextlib
import gc
import os
import platform
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import metadata

import torch
from afno_mm.engine import keep_freed_memory

from .candidates import Candidate
from .limits import Machine, synchronize
from .memory import PEAK_METHODS, device_memory, peak_bytes, saved_bytes

# Largest share of the memory that may be kept for backward. Backward itself needs more, and a
# system that runs out of memory may kill the process.
MOST_SAVED = 0.7
PHASES = ('forward', 'train')
# Autocast dtypes.
HALF = {'bf16': torch.bfloat16, 'fp16': torch.float16}
DTYPES = ('fp32', 'tf32', *HALF)
PACKAGES = (
    'afno-mm',
    'torch',
    'nvidia-physicsnemo',
    'neuraloperator',
    'onedl-mmsegmentation',
    'onedl-mmcv',
    'numpy',
    'triton',
)
VARIABLES = ('LD_PRELOAD', 'OMP_NUM_THREADS', 'AFNO_MM_BACKEND')


@dataclass
class Settings:
    """How to measure.

    Args:
        device: 'cpu', 'cuda' or 'cuda:0'.
        dtype: 'fp32', 'tf32' (GPUs only), or 'bf16' or 'fp16' (autocast).
        batch: Images or grids of tokens per batch. Default: 8 on GPUs, 1 on CPUs.
        repeats: Number of rounds. Default: depends on the suite.
        threads: PyTorch's CPU threads. Default: PyTorch's choice.
        shapes: Sizes that replace those of the suite.
        only: Parts of names. A candidate whose name contains none of them is left out.
        variant: Size of MiT and SegFormer, 'b0' to 'b3'.
        configs: Folder of the configs.
        keep_memory: Keep freed CPU memory, as the tools that train do. The default gives it back
            to the system. Applies to all candidates.
        least: Shortest time of a sample in seconds. Shorter calls are repeated and averaged.
        cuda_graphs: Time replays of CUDA graphs: the GPU's own time, without the launches.
    """

    device: str = 'cpu'
    dtype: str = 'fp32'
    batch: int | None = None
    repeats: int | None = None
    threads: int | None = None
    shapes: list[str] = field(default_factory=list)
    only: list[str] = field(default_factory=list)
    variant: str = 'b3'
    configs: str = 'configs'
    keep_memory: bool = False
    least: float = 0.02
    cuda_graphs: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f'dtype must be one of {DTYPES}, got {self.dtype!r}')
        if self.on_gpu and not torch.cuda.is_available():
            raise ValueError(f'device={self.device!r}, but PyTorch sees no GPU: set device=cpu')
        if self.dtype == 'tf32' and not self.on_gpu:
            raise ValueError(f'tf32 needs a GPU, got device={self.device!r}: set dtype=fp32')
        if self.cuda_graphs and not self.on_gpu:
            raise ValueError(f'CUDA graphs need a GPU, got device={self.device!r}: set device=cuda')
        self.batch = self.batch or (8 if self.on_gpu else 1)

    @property
    def on_gpu(self) -> bool:
        return torch.device(self.device).type == 'cuda'

    @property
    def autocast(self) -> tuple[str, torch.dtype] | None:
        half = HALF.get(self.dtype)
        return (torch.device(self.device).type, half) if half else None

    @contextlib.contextmanager
    def apply(self) -> Iterator[None]:
        """Set threads and matmul precision, and restore them at the end.

        ``keep_memory`` cannot be undone: it lasts until the process ends.
        """
        if self.keep_memory and not keep_freed_memory():
            raise ValueError(
                'keep_memory needs glibc, the C library of most Linux systems: '
                'leave out --keep-memory'
            )
        cudnn = torch.backends.cudnn
        threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
        allowed_tf32 = cudnn.allow_tf32
        torch.set_num_threads(self.threads or threads)
        torch.set_float32_matmul_precision('high' if self.dtype == 'tf32' else 'highest')
        cudnn.allow_tf32 = self.dtype == 'tf32'
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.set_float32_matmul_precision(precision)
            cudnn.allow_tf32 = allowed_tf32


def measure(
    candidates: Sequence[Candidate], settings: Settings, repeats: int, warm_up: int = 1
) -> tuple[list[dict], dict[str, str], dict[str, list[float]]]:
    """Measure bytes and times of candidates.

    The candidates run in turns, in a new random order in each round. A candidate that fails in its
    first run is left out.

    Returns:
        One row per candidate, with all samples in 'seconds'; the reasons why others were left out,
        by name; the samples of the machine's rates.
    """
    rows, left_out, runs = {}, {}, {}
    for candidate in candidates:
        try:
            for _ in range(warm_up):
                candidate.train()
                candidate.forward()
            saved = saved_bytes(
                lambda c=candidate: c.graph()[0],
                candidate.parameters(),
                MOST_SAVED * device_memory(settings.device),
            )
            rows[candidate] = dict(
                name=candidate.name,
                kind=candidate.kind,
                backend=candidate.backend,
                chosen=candidate.chosen,
                input_bytes=candidate.input_bytes,
                saved_bytes=saved,
                peak_bytes=peak_bytes(candidate.train, settings.device),
                calls={},
                seconds={phase: [] for phase in PHASES},
            )
            runs[candidate] = {phase: getattr(candidate, phase) for phase in PHASES}
            if settings.cuda_graphs:
                runs[candidate] = {phase: _captured(run) for phase, run in runs[candidate].items()}
        # A public layer may raise any error at a size that it does not support.
        except Exception as error:
            left_out[candidate.name] = f'{type(error).__name__}: {error}'.splitlines()[0]
            rows.pop(candidate, None)
            candidate.clear()
    machine = Machine(settings.device, settings.dtype)
    machine.rates()
    rates = []
    order = random.Random(0)
    for _ in range(repeats):
        rates.append(machine.rates())
        turns = list(rows)
        order.shuffle(turns)
        for candidate in turns:
            for phase in PHASES:
                row, run = rows[candidate], runs[candidate][phase]
                calls = row['calls'].get(phase, 1)
                seconds = _time(run, calls, settings.device)
                if phase not in row['calls']:
                    calls = max(1, min(1000, round(settings.least / seconds)))
                    row['calls'][phase] = calls
                    if calls > 1:
                        seconds = _time(run, calls, settings.device)
                row['seconds'][phase].append(seconds)
    rates = dict(zip(('flops', 'bytes'), map(list, zip(*rates))))
    for candidate, row in rows.items():
        row['work'] = candidate.work and {
            phase: vars(work) for phase, work in candidate.work.items()
        }
    return list(rows.values()), left_out, rates


def _captured(run):
    """Return a function that replays the kernels of ``run`` from a CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(2):  # cuBLAS and autograd set up each stream they run on.
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def _time(run, calls, device):
    """Return the seconds of one call, as a mean over ``calls``, without garbage collection."""
    gc.collect()
    gc.disable()
    try:
        synchronize(device)
        start = time.perf_counter()
        for _ in range(calls):
            run()
        synchronize(device)
        return (time.perf_counter() - start) / calls
    finally:
        gc.enable()


def circumstances(settings: Settings) -> dict:
    """Return the machine, versions and settings that one needs to reproduce the numbers."""
    return dict(
        date=datetime.now(timezone.utc).isoformat(timespec='seconds'),
        device=settings.device,
        dtype=settings.dtype,
        batch=settings.batch,
        threads=settings.threads or torch.get_num_threads(),
        variant=settings.variant,
        cpu=_cpu(),
        cores=os.cpu_count(),
        gpu=torch.cuda.get_device_name(settings.device) if settings.on_gpu else None,
        cuda=torch.version.cuda if settings.on_gpu else None,
        python=platform.python_version(),
        packages={name: _version(name) for name in PACKAGES},
        keeps_memory=settings.keep_memory,
        cuda_graphs=settings.cuda_graphs,
        environment={name: os.environ.get(name) for name in VARIABLES},
        peak_method=PEAK_METHODS['cuda' if settings.on_gpu else 'cpu'],
    )


def _cpu():
    try:
        with open('/proc/cpuinfo', encoding='utf-8') as lines:
            return next(line.split(':')[1].strip() for line in lines if 'model name' in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
