"""Compiling the parts of a model for training."""

import copy
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from afno_mm.backbones.mixer_block import MixerBlock, TensorDropPath
from afno_mm.engine import CompileHook, build_model, compile_for_training, read_config
from afno_mm.heads import SegformerHead
from afno_mm.tasks import task_of
from torch import nn

CONFIG = 'configs/segformer_afno_b0_cityscapes.py'
SIZE = 64, 64


def segformer(**backbone):
    cfg = read_config(CONFIG)
    cfg.model.backbone.update(init_cfg=None, **backbone)
    cfg.model.decode_head.dropout_ratio = 0  # Compiled blocks draw other random numbers before it.
    torch.manual_seed(0)
    model = build_model(cfg, SIZE, 'cpu').train()
    batch = model.data_preprocessor(task_of(cfg).random_batch(cfg.model, SIZE, 2), True)
    return model, batch


def step(model, batch):
    """Return the losses, and the gradients by name."""
    torch.manual_seed(1)
    losses = model(**batch, mode='loss')
    model.zero_grad()
    model.parse_losses(losses)[0].backward()
    return losses, {name: p.grad.clone() for name, p in model.named_parameters()}


class Programs(list):
    """A backend of torch.compile that runs the recorded operations, and keeps them."""

    def __call__(self, program, inputs):
        self.append([str(node.target) for node in program.graph.nodes])
        return program


@pytest.fixture(autouse=True)
def no_programs_of_other_tests():
    torch._dynamo.reset()


@pytest.mark.slow
def test_compiled_training_computes_the_same_and_shares_programs():
    """Four stages of two blocks, and the losses: five programs, whatever the drop path rates."""
    model, batch = segformer(drop_path_rate=0.0)
    losses, gradients = step(model, batch)
    before, programs = copy.deepcopy(model), Programs()
    assert compile_for_training(model, backend=programs, fullgraph=True) == 8 + 1
    compiled, compiled_gradients = step(model, batch)
    assert losses.keys() == compiled.keys()
    for name, value in losses.items():
        torch.testing.assert_close(compiled[name], value)
    for name, gradient in gradients.items():
        torch.testing.assert_close(compiled_gradients[name], gradient, rtol=1e-3, atol=1e-5)
    assert len(programs) == 5
    assert [sum('afno_mm' in op for op in ops) for ops in programs] == [1, 1, 1, 1, 0]
    assert before.state_dict().keys() == model.state_dict().keys()
    assert len(list(before.buffers())) == len(list(model.buffers()))

    model, batch = segformer(drop_path_rate=0.4)
    programs.clear()
    torch._dynamo.reset()
    compile_for_training(model, backend=programs)
    step(model, batch)
    assert len(programs) == 5

    copied = copy.deepcopy(model).eval()
    programs.clear()
    with torch.no_grad():
        torch.testing.assert_close(
            copied(batch['inputs'], mode='tensor'), model.eval()(batch['inputs'], mode='tensor')
        )
    assert not programs  # Evaluation is not compiled, nor is a copy.


def test_stochastic_depth_keeps_its_share_and_its_mean():
    layer, x = TensorDropPath(0.25, torch.device('cpu')), torch.ones(20000, 2, 1)
    y = layer(x)
    assert y.unique().tolist() == pytest.approx([0, 4 / 3])
    assert torch.equal(y[:, 0], y[:, 1])
    assert y.mean().item() == pytest.approx(1, abs=0.02)
    assert torch.equal(layer.eval()(x), x)
    assert not layer.state_dict() and not list(layer.buffers())


def test_blocks_that_recompute_are_compiled_too():
    model, batch = segformer(drop_path_rate=0.0)
    _, expected = step(model, batch)
    model, batch = segformer(drop_path_rate=0.0, with_cp=True)
    programs = Programs()
    for block in model.modules():
        if isinstance(block, MixerBlock):
            block.with_cp = True
    compile_for_training(model, backend=programs)
    _, found = step(model, batch)
    assert programs
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-5)


def test_the_hook_compiles_when_training_starts_and_says_so():
    model, _ = segformer()
    said = []
    runner = SimpleNamespace(model=model, logger=SimpleNamespace(info=said.append))
    CompileHook(mode='default').before_train(runner)
    assert all(m.compiled for m in model.modules() if isinstance(m, MixerBlock))
    assert model.decode_head.compiled
    assert '9 blocks and losses' in said[0]


class StaysInEvaluation(nn.Module):
    """A model that trains in evaluation mode, as a warm start does."""

    def __init__(self):
        super().__init__()
        self.model = segformer()[0]

    def train(self, mode=True):
        return super().train(False)


@pytest.mark.parametrize('model', [partial(nn.Linear, 1, 1), StaysInEvaluation])
def test_the_hook_refuses_a_model_with_nothing_to_compile(model):
    with pytest.raises(ValueError, match='nothing to compile.*Leave out --compile'):
        CompileHook().before_train(SimpleNamespace(model=model()))


def test_frozen_blocks_are_not_counted_as_compiled():
    model, _ = segformer()
    _, blocks, _ = model.backbone.layers[0]
    blocks.eval()
    assert compile_for_training(model) == 6 + 1
    assert not any(block.compiled for block in blocks)


@pytest.mark.slow
def test_losses_that_count_labelled_pixels_are_not_compiled_in_every_step():
    """The number of pixels with a label differs in each batch."""
    torch.manual_seed(0)
    head = SegformerHead(
        in_channels=[4],
        in_index=[0],
        channels=4,
        num_classes=3,
        norm_cfg=dict(type='BN'),
        loss_decode=dict(type='mmseg.CrossEntropyLoss', class_weight=[1.0, 2.0, 3.0]),
    ).train()
    programs, counts = Programs(), []
    assert compile_for_training(head, backend=programs) == 1
    for step in range(4):
        logits, labels = torch.randn(2, 3, 4, 4), torch.randint(3, (2, 1, 8, 8))
        labels[:, :, : step + 1] = 255
        torch.testing.assert_close(head.compiled(logits, labels), head.losses_of(logits, labels))
        counts.append(len(programs))
    assert counts[1] == counts[3], counts
