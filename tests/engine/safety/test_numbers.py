"""Numbers that are not finite stop a training within a step, and are named."""

import logging
from types import SimpleNamespace

import pytest
import torch
from afno_mm.engine.safety import FiniteNumbersHook, newest_checkpoint
from afno_mm.engine.safety.numbers import NonFiniteError, batch_files
from mmengine.optim import OptimWrapper, OptimWrapperDict
from tiny import Model, runner

HOOK = [dict(type='afno_mm.FiniteNumbersHook', max_skipped=3)]


class Bad(Model):
    """Its loss is not finite from the seventh step on."""

    value = float('nan')

    def forward(self, inputs, data_samples=None, mode='tensor'):
        output = super().forward(inputs, data_samples, mode)
        if mode == 'loss' and len(self.seen) == 7:
            output['loss'] = output['loss'] * self.value
        return output


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_a_loss_that_is_not_finite_stops_before_the_step(tmp_path, value):
    model = Bad()
    model.value = value
    with pytest.raises(NonFiniteError, match=r'iteration 7: .*\n.*first is of layers\.0\.weight'):
        runner(tmp_path, model, hooks=HOOK).train()
    assert all(torch.isfinite(t).all() for t in model.state_dict().values())
    assert newest_checkpoint(tmp_path).name == 'epoch_1.pth'


class BadGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad_output):
        return torch.full_like(grad_output, float('nan'))


def test_the_first_bad_gradient_is_named_though_gradients_are_clipped(tmp_path):
    model = Model()
    model.layers.insert(3, torch.nn.Identity())
    model.layers[3].forward = BadGradient.apply
    with pytest.raises(NonFiniteError) as error:
        runner(tmp_path, model, hooks=HOOK).train()
    assert '4 gradients are not finite, the first is of layers.0.weight' in str(error.value)


def test_files_of_the_batch_are_named(tmp_path):
    batch = dict(data_samples=[dict(img_path='a.png'), dict(img_path='b.png'), {}])
    assert batch_files(batch) == ['a.png', 'b.png']
    assert batch_files([1]) == batch_files(dict(data_samples=torch.zeros(2))) == []


def test_parameters_without_gradient_are_named(tmp_path, caplog):
    model = Model()
    model.unused = torch.nn.Linear(2, 2)
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    training = runner(tmp_path, model, hooks=HOOK, most=1)
    training.logger.addHandler(handler)
    training.train()
    assert any('2 parameters got no gradient' in text and 'unused.weight' in text for text in said)


def test_weights_that_are_not_finite_are_not_loaded(tmp_path):
    model = Model()
    model.layers[0].weight.data[0] = float('nan')
    torch.save(dict(state_dict=model.state_dict(), meta={}), tmp_path / 'bad.pth')
    training = runner(tmp_path, load_from=str(tmp_path / 'bad.pth'))
    with pytest.raises(NonFiniteError, match=r'bad\.pth are not finite, the first is layers\.0'):
        training.train()


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    model = Model()
    model.register_buffer('broken', torch.tensor(float('inf')))
    with pytest.raises(FloatingPointError, match='the first is broken'):
        runner(tmp_path, model).train()
    assert not list(tmp_path.glob('*.pth'))


def hooked(model, fused=False, kind=OptimWrapper, **settings):
    wrapper = kind(torch.optim.AdamW(model.parameters(), fused=fused), **settings)
    logged = {}
    hub = SimpleNamespace(update_scalar=lambda key, value: logged.update({key: float(value)}))
    runner = SimpleNamespace(model=model, optim_wrapper=wrapper, iter=0, message_hub=hub)
    hook = FiniteNumbersHook()
    hook.before_train(runner)
    hook.before_train_iter(runner, 0)
    return wrapper, hook, logged


def test_gradients_can_be_clipped_by_value():
    model = torch.nn.Linear(2, 2)
    wrapper, _, _ = hooked(model, clip_grad=dict(type='value', clip_value=0.1))
    wrapper.backward(model(torch.ones(1, 2)).sum())
    wrapper.step()
    assert model.weight.grad.eq(0.1).all()


def test_loss_scaling_skips_a_step_though_gradients_are_clipped():
    class Scaled(OptimWrapper):
        loss_scaler = torch.amp.GradScaler('cpu')

    model = torch.nn.Linear(2, 2)
    wrapper, _, _ = hooked(model, kind=Scaled, clip_grad=dict(max_norm=1))
    (model(torch.ones(1, 2)).sum() * torch.inf).backward()
    wrapper._clip_grad()  # raises nothing: the scaler skips the step


def test_a_fused_optimiser_skips_steps_of_loss_scaling_and_logs_the_unscaled_norm():
    model = torch.nn.Linear(2, 2)
    wrapper, hook, logged = hooked(model, fused=True)
    scaler = torch.amp.GradScaler('cpu')
    for size, steps in ((1e38, 0), (1.0, 1)):
        wrapper.zero_grad()
        scaler.scale(model(torch.full((1, 2), size)).sum()).backward()
        scaler.step(wrapper.optimizer)
        scaler.update()
        assert hook.steps == steps
    assert logged['train/grad_norm'] == pytest.approx(6**0.5)


def test_finite_gradients_whose_norm_overflows_are_no_error():
    model = torch.nn.Linear(2, 2)
    wrapper, _, _ = hooked(model)
    wrapper.update_params((1e25 * model(torch.ones(1, 2))).sum())
    assert torch.isfinite(model.weight).all()


def test_gradients_of_every_optimiser_are_checked():
    parts = torch.nn.ModuleDict(dict(one=torch.nn.Linear(2, 2), other=torch.nn.Linear(2, 2)))
    wrappers = {k: OptimWrapper(torch.optim.SGD(p.parameters(), 0.1)) for k, p in parts.items()}
    hub = SimpleNamespace(update_scalar=lambda key, value: None)
    both = OptimWrapperDict(**wrappers)
    hook = FiniteNumbersHook()
    hook.before_train(SimpleNamespace(model=parts, optim_wrapper=both, message_hub=hub))
    hook.before_train_iter(SimpleNamespace(iter=0), 0)
    for part, wrapper in zip(parts.values(), wrappers.values()):
        (part(torch.ones(1, 2)).sum() * torch.nan).backward()
        with pytest.raises(NonFiniteError, match='the gradients are not finite'):
            wrapper.step()


def test_steps_between_those_of_the_optimiser_are_not_counted_as_skipped():
    class Scaled(OptimWrapper):
        loss_scaler = torch.amp.GradScaler('cpu')

    wrapper, hook, _ = hooked(torch.nn.Linear(2, 2), kind=Scaled, accumulative_counts=4)
    training = SimpleNamespace(optim_wrapper=wrapper, iter=0)
    wrapper.initialize_count_status(hook.model, 0, 12)
    for count in (0, 0, 0, 1, 1, 1, 1, 2):
        hook.before_train_iter(training, 0)
        wrapper._inner_count += 1  # as update_params does. The optimiser makes no step
        hook.after_train_iter(training, 0)
        assert hook.skipped == count
    hook.before_train_iter(training, 0)
    wrapper._inner_count, hook.steps = 12, hook.steps + 1
    hook.after_train_iter(training, 0)
    assert hook.skipped == 0
