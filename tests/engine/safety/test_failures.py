"""A training that runs out of memory, or cannot be compiled, says what to do."""

import pytest
import torch
import torch._inductor.config
from tiny import Model, runner


class Greedy(Model):
    def forward(self, inputs, data_samples=None, mode='tensor'):
        if len(self.seen) == 6:
            raise self.error
        return super().forward(inputs, data_samples, mode)


@pytest.mark.parametrize(
    'error',
    [
        torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB'),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_settings_that_lower_memory_are_named(tmp_path, error):
    model = Greedy()
    model.error = error
    with pytest.raises(MemoryError, match=r'allocate(.|\n)*2 images(.|\n)*with_cp(.|\n)*--resume'):
        runner(tmp_path, model).train()


@pytest.mark.slow
def test_a_missing_compiler_is_named(tmp_path):
    model = Model()
    model.layers.forward = torch.compile(model.layers.forward)
    settings = {'force_disable_caches': True, 'cpp.cxx': (None, 'no-such-compiler')}
    with (
        torch._inductor.config.patch(settings),
        pytest.raises(RuntimeError, match='compile failed.*no-such-compiler.*\nLeave out --comp'),
    ):
        runner(tmp_path, model).train()


def test_other_errors_stay_as_they_are(tmp_path):
    model = Greedy()
    model.error = RuntimeError('shapes do not fit')
    with pytest.raises(RuntimeError, match='shapes do not fit') as raised:
        runner(tmp_path, model).train()
    assert raised.value is model.error
