"""Bytes that training keeps for the backward pass, and bytes that it needs at most."""

import gc
import json
import math
import os
import tempfile
from pathlib import Path

import torch

PEAK_METHODS = {
    'cuda': 'torch.cuda.max_memory_allocated, less what was allocated before',
    'cpu': 'largest sum of the allocations and releases that torch.profiler saw: tensors and '
    'work space from the allocator of PyTorch, not what a library takes for itself',
}


def saved_bytes(graph, parameters=(), most=math.inf):
    """Bytes kept for the backward pass, each storage once, without those of parameters.

    Counts what operators and custom functions save, the input too if it is kept, and what
    Python autograd functions keep as attributes of their context. Constants that a function
    keeps from call to call count as well.

    Args:
        graph (callable): Runs forward and returns the output tensors, in a list.
        parameters (Iterable[Tensor]): Whose storages do not count.
        most (float): Bytes at which to stop.

    Raises:
        MemoryError: If there are more than ``most``.
    """
    parameters = {p.untyped_storage().data_ptr() for p in parameters}
    kept = {}  # address of a storage -> a tensor, which keeps the address from being reused
    total = 0

    def keep(tensor):
        nonlocal total
        tensor = tensor.detach()
        address = tensor.untyped_storage().data_ptr()
        if address not in parameters and address not in kept:
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


def _attributes_of_functions(outputs):
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


def peak_bytes(run, device):
    """The most bytes that ``run()`` itself has allocated at one time, see ``PEAK_METHODS``."""
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


def device_memory(device):
    """Bytes of memory of a device; of the machine, for the CPU."""
    if torch.device(device).type == 'cuda':
        return torch.cuda.get_device_properties(device).total_memory
    return os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
