"""Measure the bytes that training keeps for backward, and its peak memory."""

import gc
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor

PEAK_METHODS = {
    'cuda': 'torch.cuda.max_memory_allocated, minus the memory allocated before',
    'cpu': "largest sum of the allocations and releases seen by torch.profiler: PyTorch's tensors "
    'and buffers, without memory that libraries allocate on their own',
}


def saved_bytes(
    graph: Callable[[], Iterable[Tensor]], parameters: Iterable[Tensor] = (), most: float = math.inf
) -> int:
    """Return the bytes kept for the backward pass.

    Each storage counts once. Parameters do not count. These count: tensors that operators and
    custom functions save, the input if it is kept, tensors that Python autograd functions keep as
    attributes of their context, and constants that a function keeps between calls.

    Args:
        graph: Runs forward and returns the output tensors.
        parameters: Tensors whose storages do not count.
        most: Number of bytes at which to stop.

    Raises:
        MemoryError: If more than ``most`` bytes are kept.
    """
    ignored = {p.untyped_storage().data_ptr() for p in parameters}
    # Address of a storage -> a tensor of it. Holding the tensor prevents reuse of the address.
    kept: dict[int, Tensor] = {}
    total = 0

    def keep(tensor):
        nonlocal total
        tensor = tensor.detach()
        address = tensor.untyped_storage().data_ptr()
        if address not in ignored and address not in kept:
            kept[address] = tensor
            total += tensor.untyped_storage().nbytes()
            if total > most:
                raise MemoryError(f'training keeps more than {most / 1e9:.1f} GB for backward')
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = graph()
    for tensor in _attributes_of_functions(outputs):
        keep(tensor)
    return total


def _attributes_of_functions(outputs: Iterable[Tensor]) -> Iterator[Tensor]:
    """Yield the tensors that the graph's Python autograd functions hold as attributes."""
    seen, waiting = set(), [output.grad_fn for output in outputs]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        waiting.extend(following for following, _ in node.next_functions)
        yield from _tensors(list(getattr(node, '__dict__', {}).values()))


def _tensors(values):
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)
        elif isinstance(value, dict):
            yield from _tensors(value.values())


def peak_bytes(run: Callable[[], object], device: str) -> int:
    """Return the most bytes that ``run()`` holds at one time. ``PEAK_METHODS`` says what counts."""
    gc.collect()
    if torch.device(device).type == 'cuda':
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        run()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder, 'trace.json')
        profile.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text())['traceEvents']
    events = [event for event in events if event.get('name') == '[memory]']
    now = peak = 0
    for event in sorted(events, key=lambda event: event['ts']):
        now += event['args']['Bytes']
        peak = max(peak, now)
    return peak


def device_memory(device: str) -> int:
    """Return the bytes of memory of a GPU, or of the machine for the CPU."""
    if torch.device(device).type == 'cuda':
        return torch.cuda.get_device_properties(device).total_memory
    return os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
