"""Tensors that depend on sizes alone are kept, safely for training, threads and CUDA graphs."""

import threading
import weakref

import pytest
import torch
from afno_mm.ops.exporting import cached


class Matrix:
    """Stands for a tensor on a GPU."""

    is_cuda, device = True, torch.device('cuda', 0)


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    waits = []
    monkeypatch.setattr(torch.cuda, 'synchronize', waits.append)
    monkeypatch.setattr(torch.cuda, 'is_current_stream_capturing', lambda: False)
    return waits


def test_each_size_is_made_once_and_ready_for_all_streams(waits):
    matrix = cached(lambda size: Matrix())
    assert matrix(1) is matrix(1) and matrix(1) is not matrix(2)
    assert waits == [Matrix.device] * 2


def test_a_tensor_is_made_outside_the_modes_and_memory_pools_of_the_caller():
    """torch.compile warms up CUDA graphs in a memory pool and with a default device."""
    made_in = []
    zeros = cached(lambda size: made_in.append(threading.get_ident()) or torch.zeros(size))
    with torch.inference_mode(), torch.device('meta'):
        result = zeros(3)
    assert made_in[0] != threading.get_ident()
    assert result.device.type == 'cpu' and not result.is_inference()


@pytest.mark.parametrize('capturing', [True, False])
def test_a_matrix_lives_as_long_as_a_cuda_graph_may_read_it(capturing, monkeypatch):
    matrix = cached(lambda size: Matrix())
    matrix(0)
    monkeypatch.setattr(torch.cuda, 'is_current_stream_capturing', lambda: capturing)
    kept = weakref.ref(matrix(0))
    monkeypatch.setattr(torch.cuda, 'is_current_stream_capturing', lambda: False)
    for size in range(1, 200):
        matrix(size)
    assert (kept() is not None) == capturing


def test_errors_of_a_function_reach_the_caller():
    def fail(size):
        raise ValueError(f'no size {size}')

    with pytest.raises(ValueError, match='no size 3'):
        cached(fail)(3)
