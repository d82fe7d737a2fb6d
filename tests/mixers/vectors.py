"""Reference vectors, see tests/data/README.md."""

from pathlib import Path

import numpy as np
import torch


def VECTORS(pattern):
    """Return the files of tests/data that match a pattern."""
    return sorted((Path(__file__).parents[1] / 'data').glob(pattern))


def relative_error(a, b):
    return ((a - b).norm() / b.norm()).item()


def load(path):
    """Return tensors by name, and settings as Python values by ``meta.<name>``."""
    with np.load(path) as data:
        return {
            key: value.item() if key.startswith('meta.') else torch.from_numpy(value)
            for key, value in data.items()
        }


def assert_reproduces(mixer, data):
    """Assert that parameters load strictly, output agrees to 1e-5 and gradients to 1e-4."""

    def to_grid(tensor):
        if data['meta.layout'] == 'BCHW':
            return tensor.permute(0, 2, 3, 1)
        if data['meta.layout'] == 'BNC':
            return tensor.unflatten(1, (data['meta.H'], data['meta.W']))
        return tensor

    mixer.load_state_dict({k[6:]: v for k, v in data.items() if k.startswith('param.')})
    x = to_grid(data['input']).requires_grad_()
    y = mixer(x)
    y.backward(to_grid(data['grad_output']))
    assert relative_error(y, to_grid(data['output'])) <= 1e-5
    assert relative_error(x.grad, to_grid(data['grad_input'])) <= 1e-4
    for name, parameter in mixer.named_parameters():
        expected, actual = data[f'grad.{name}'], parameter.grad
        if expected.is_complex():
            actual = torch.view_as_complex(actual)
        assert relative_error(actual, expected) <= 1e-4, name
