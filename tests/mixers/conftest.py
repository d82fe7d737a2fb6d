import pytest
from mmengine.runner.checkpoint import load_state_dict
from torch.nn import Module


@pytest.fixture(params=[Module.load_state_dict, load_state_dict], ids=['torch', 'mmengine'])
def load_into(request):
    """Return a function that loads a state dict into a module, of PyTorch or of MMEngine."""
    return lambda module, state: request.param(module, state, strict=True)
