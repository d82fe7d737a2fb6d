"""Times and bytes of candidates, taken in turns in one process."""

import contextlib
import gc
import os
import platform
import random
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import metadata

import torch
from afno_mm.engine import keep_freed_memory

from .limits import Machine, synchronize
from .memory import PEAK_METHODS, device_memory, peak_bytes, saved_bytes

# Share of the memory; backward needs more, and a machine that runs out may end the process.
MOST_SAVED = 0.7
PHASES = ('forward', 'train')
DTYPES = ('fp32', 'tf32', 'bf16')
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
        device (str): 'cpu', 'cuda' or 'cuda:0'.
        dtype (str): 'fp32', 'tf32' (GPUs only) or 'bf16', the last by autocast.
        batch (int, optional): Images or grids of tokens at once. Default: 8 on GPUs, else 1.
        repeats (int, optional): Rounds. Default: a number that suits the suite.
        threads (int, optional): Of PyTorch on the CPU. Default: PyTorch's own.
        shapes (list[str], optional): In place of the suite's.
        only (list[str], optional): Parts of names; others are left out.
        variant (str): Of MiT and SegFormer, 'b0' to 'b3'.
        configs (str): Folder of the configs.
        keep_memory (bool): Whether freed CPU memory is kept, as the tools that train do, and not
            given back to the system, as by default: for all candidates.
        least (float): Seconds that a sample takes at least, by repeating the call.
    """

    device: str = 'cpu'
    dtype: str = 'fp32'
    batch: int | None = None
    repeats: int | None = None
    threads: int | None = None
    shapes: list = field(default_factory=list)
    only: list = field(default_factory=list)
    variant: str = 'b3'
    configs: str = 'configs'
    keep_memory: bool = False
    least: float = 0.02

    def __post_init__(self):
        if self.dtype not in DTYPES:
            raise ValueError(f'dtype must be one of {DTYPES}, got {self.dtype!r}')
        if self.on_gpu and not torch.cuda.is_available():
            raise ValueError(f'device={self.device!r}, but PyTorch sees no GPU: set device=cpu')
        if self.dtype == 'tf32' and not self.on_gpu:
            raise ValueError(f'tf32 is for GPUs, got device={self.device!r}: set dtype=fp32')
        self.batch = self.batch or (8 if self.on_gpu else 1)

    @property
    def on_gpu(self):
        return torch.device(self.device).type == 'cuda'

    @property
    def autocast(self):
        return (torch.device(self.device).type, torch.bfloat16) if self.dtype == 'bf16' else None

    @contextlib.contextmanager
    def apply(self):
        """Sets threads and the precision of products; sets them back. Kept memory stays kept."""
        if self.keep_memory and not keep_freed_memory():
            raise ValueError(
                'keep_memory needs glibc, the C library of most Linux systems: '
                'leave out --keep-memory'
            )
        cudnn, before = (
            torch.backends.cudnn,
            (
                torch.get_num_threads(),
                torch.get_float32_matmul_precision(),
                torch.backends.cudnn.allow_tf32,
            ),
        )
        torch.set_num_threads(self.threads or before[0])
        torch.set_float32_matmul_precision('high' if self.dtype == 'tf32' else 'highest')
        cudnn.allow_tf32 = self.dtype == 'tf32'
        try:
            yield
        finally:
            torch.set_num_threads(before[0])
            torch.set_float32_matmul_precision(before[1])
            cudnn.allow_tf32 = before[2]


def measure(candidates, settings, repeats, warm_up=1):
    """Bytes and times of candidates that are run in turns, in another order in each round.

    One that fails in its first run is left out.

    Returns:
        tuple[list[dict], dict[str, str], dict]: A row for each candidate, with all samples in
        'seconds'; why others were left out, by name; samples of the machine's rates.
    """
    rows, left_out = {}, {}
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
                path=candidate.path,
                chosen=candidate.chosen,
                input_bytes=candidate.input_bytes,
                saved_bytes=saved,
                peak_bytes=peak_bytes(candidate.train, settings.device),
                calls={},
                seconds={phase: [] for phase in PHASES},
            )
        # What a public layer raises at a size that it cannot take is not known.
        except Exception as error:
            left_out[candidate.name] = f'{type(error).__name__}: {error}'.splitlines()[0]
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
                row, run = rows[candidate], getattr(candidate, phase)
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


def _time(run, calls, device):
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


def circumstances(settings):
    """What a reader needs to know to believe the numbers, or to take them again."""
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
