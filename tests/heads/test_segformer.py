"""SegFormer's decoder against MMSegmentation's: keys, logits, running statistics, gradients."""

import inspect

import pytest
import torch
from afno_mm.heads import SegformerHead
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from mmseg.models.decode_heads import SegformerHead as StockSegformerHead

CHANNELS = [8, 16, 20, 32]


def head(kind, **settings):
    with DefaultScope.overwrite_default_scope('mmseg'):
        made = kind(
            **{
                **dict(
                    in_channels=CHANNELS,
                    in_index=[0, 1, 2, 3],
                    channels=24,
                    num_classes=5,
                    dropout_ratio=0.0,
                    norm_cfg=dict(type='BN'),
                    align_corners=False,
                ),
                **settings,
            }
        )
    return made.double()


def pyramid(height, width, batch=2):
    return [
        torch.randn(batch, c, -(-height >> i), -(-width >> i), dtype=torch.float64)
        for i, c in enumerate(CHANNELS)
    ]


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('size', [(16, 32), (13, 9), (1, 1)])
@pytest.mark.parametrize(
    'settings',
    [
        {},
        dict(align_corners=True),
        dict(norm_cfg=None),
        dict(interpolate_mode='bicubic'),
        dict(act_cfg=dict(type='GELU')),
        dict(in_channels=CHANNELS[1:3], in_index=[1, 2]),
    ],
)
def test_it_is_upstreams(settings, size, layout):
    torch.manual_seed(0)
    stock, ours = head(StockSegformerHead, **settings), head(SegformerHead, **settings)
    ours.load_state_dict(stock.state_dict())
    features = pyramid(*size)
    results = []
    for made in (stock, ours):
        for training in (True, False):
            made.train(training)
            leaves = [f.to(memory_format=layout).requires_grad_() for f in features]
            logits = made(leaves)
            used = [leaves[i] for i in made.in_index]
            results.append(
                [logits, *torch.autograd.grad(logits.square().sum(), [*used, *made.parameters()])]
            )
    half = len(results) // 2
    for theirs, mine in zip(results[:half], results[half:]):
        torch.testing.assert_close(mine, theirs)
    for (name, mine), theirs in zip(ours.named_buffers(), stock.buffers()):
        torch.testing.assert_close(mine, theirs, msg=name)


def test_it_is_not_derived_from_upstreams_and_takes_its_arguments():
    assert not issubclass(SegformerHead, StockSegformerHead)
    ours, theirs = (
        inspect.signature(kind).parameters for kind in (SegformerHead, StockSegformerHead)
    )
    assert [(p.name, p.default, p.kind) for p in ours.values()] == [
        (p.name, p.default, p.kind) for p in theirs.values()
    ]


@pytest.mark.parametrize('initialise', [False, True])
def test_initial_weights_are_upstreams_to_the_last_bit(initialise):
    MMLogger.get_instance('quiet', log_level='ERROR')
    states = []
    for kind in (StockSegformerHead, SegformerHead):
        torch.manual_seed(5)
        made = head(kind)
        if initialise:
            made.init_weights()
        states.append({**made.state_dict(), 'the next random number': torch.rand(1)})
    theirs, ours = states
    assert list(theirs) == list(ours)
    assert all(torch.equal(theirs[key], ours[key]) for key in theirs)


def test_hooks_on_the_fusion_see_its_result():
    """As those of Grad-CAM and of operation counters."""
    made, seen = head(SegformerHead).eval(), []
    made.fusion_conv.register_forward_hook(lambda module, inputs, output: seen.append(output))
    logits = made(pyramid(16, 16))
    assert torch.equal(made.conv_seg(seen[0]), logits)


def test_the_stacked_channels_are_not_kept_for_backward():
    shapes = []
    features = pyramid(16, 16)
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: shapes.append(t.shape) or t, lambda t: t
    ):
        head(SegformerHead)(features)
    assert not any(s[1:2] == (4 * 24,) and s[2:] == (16, 16) for s in shapes)
