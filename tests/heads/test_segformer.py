"""SegFormer's decoder against MMSegmentation's: keys, logits, running statistics, gradients."""

import inspect

import pytest
import torch
from afno_mm.heads import SegformerHead
from afno_mm.heads.segformer import add_enlarged, pixel_accuracy
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.models.decode_heads import SegformerHead as StockSegformerHead
from mmseg.models.losses import accuracy
from mmseg.structures import SegDataSample
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

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
        dict(dropout_ratio=0.5),
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
            torch.manual_seed(1)  # dropout
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


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('size', [(16, 32), (13, 9), (1, 1)])
def test_the_products_that_gpus_take_are_bilinear_interpolation(size, align_corners):
    """Values and gradients of the fusion, by products and by upstream's function."""
    fusion = head(SegformerHead, norm_cfg=None).fusion_conv
    scales = [torch.randn(2, 24, -(-size[0] >> i), -(-size[1] >> i)).double() for i in range(4)]
    weights = fusion.conv.weight.chunk(4, 1)
    results = []
    for by_products in (True, False):
        leaves = [x.clone().requires_grad_() for x in scales]
        if by_products:
            fused = fusion.activate(fusion._fuse_by_products(leaves, weights, align_corners))
        else:
            fused = fusion(leaves, 'bilinear', align_corners)
        parameters = list(fusion.parameters())
        results.append([fused, *torch.autograd.grad(fused.square().sum(), leaves + parameters)])
    torch.testing.assert_close(*results)


@pytest.mark.parametrize('ignored', [0, 40, 126])
def test_the_accuracy_is_upstreams(ignored):
    logits, labels = torch.randn(2, 5, 9, 7), torch.randint(5, (2, 9, 7))
    labels.view(-1)[:ignored] = 255
    ours = pixel_accuracy(logits, labels, 255)
    torch.testing.assert_close(ours, accuracy(logits, labels, ignore_index=255))


def test_losses_are_upstreams_with_several_losses_and_a_sampler():
    losses = [
        dict(type='CrossEntropyLoss', loss_name='loss_ce', loss_weight=0.4),
        dict(type='CrossEntropyLoss', loss_name='loss_ce', loss_weight=0.6),
        dict(type='CrossEntropyLoss', loss_name='loss_other'),
    ]
    settings = dict(
        loss_decode=losses, sampler=dict(type='OHEMPixelSampler', thresh=0.7, min_kept=20)
    )
    stock, ours = head(StockSegformerHead, **settings), head(SegformerHead, **settings)
    logits = torch.randn(2, 5, 8, 8).double()
    label = torch.randint(5, (1, 32, 32))
    label[0, :4] = 255
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for _ in range(2)]
    expected, found = stock.loss_by_feat(logits, samples), ours.loss_by_feat(logits, samples)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, check_dtype=False, msg=name)


@pytest.mark.parametrize('mode', ['nearest', 'area', 'bicubic'])
def test_every_mode_of_interpolation(mode):
    settings = dict(in_channels=[4, 4], in_index=[0, 1], channels=4, num_classes=2)
    with DefaultScope.overwrite_default_scope('mmseg'):
        head = SegformerHead(**settings, interpolate_mode=mode).eval()
    assert head([torch.randn(1, 4, 8, 8), torch.randn(1, 4, 4, 4)]).shape == (1, 2, 8, 8)


@pytest.mark.skipif(
    torch.__version__ < '2.7', reason='in torch 2.6, tensors without values on CUDA need its driver'
)
def test_a_compiled_head_on_a_gpu_computes_nothing_on_the_cpu():
    """Otherwise it would copy from the CPU in each step, and PyTorch would use no CUDA graphs."""
    with FakeTensorMode():
        sizes = [(2, 32, 32, 16), (2, 8, 8, 16)]
        grid, x = (torch.empty(size, device='cuda') for size in sizes)
        program = make_fx(lambda grid, x: add_enlarged(grid, x, False))(grid, x)
    made = [node.meta['val'].device.type for node in program.graph.nodes if 'val' in node.meta]
    assert len(made) > 10 and set(made) == {'cuda'}
