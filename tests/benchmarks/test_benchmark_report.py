"""Arithmetic of the benchmark: bytes, work, means, exponents, ratios."""

import pytest
import torch
from mixer_bench import SUITES, ratios, report
from mixer_bench.goals import GOALS, Goal
from mixer_bench.limits import afno_work
from mixer_bench.measure import DTYPES
from mixer_bench.memory import peak_bytes, saved_bytes


def row(name, forward, train, saved=10, kind='AFNO', chosen=False):
    return dict(
        name=name,
        kind=kind,
        chosen=chosen,
        work=None,
        saved_bytes=saved,
        peak_bytes=20,
        input_bytes=5,
        seconds=dict(forward=forward, train=train),
    )


def case(shape, *rows, suite='stages', tokens=1):
    return dict(
        suite=suite,
        shape=shape,
        batch=1,
        tokens=tokens,
        rows=list(rows),
        notes='',
        rates=dict(flops=[1e9], bytes=[1e9]),
        agreement=[],
        left_out={},
    )


PUBLIC = 'physicsnemo AFNO2DLayer'


def test_saved_bytes_of_a_known_function():
    x, weight = torch.randn(4, 8, requires_grad=True), torch.nn.Parameter(torch.randn(8, 16))
    # The product keeps x (and the parameter); ReLU keeps its result.
    assert saved_bytes(lambda: [torch.relu(x @ weight)], [weight]) == 4 * (4 * 8 + 4 * 16)
    # One storage counts once, and whole: both halves of x, each kept by a square.
    assert saved_bytes(lambda: [a.square().sum() for a in x.chunk(2)]) == 4 * 4 * 8
    with pytest.raises(MemoryError, match='more than 0.0 GB'):
        saved_bytes(lambda: [torch.relu(x @ weight)], [weight], most=4 * (4 * 8 + 4 * 16) - 1)


def test_saved_bytes_sees_what_a_custom_function_keeps_on_its_context():
    class Keeps(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x.exp())
            ctx.lists = dict(parts=[x.new_zeros(3), (x.new_zeros(5),)])
            return 2 * x

        @staticmethod
        def backward(ctx, gradient):
            return gradient

    x = torch.randn(7, requires_grad=True)
    assert saved_bytes(lambda: [Keeps.apply(x).sum()]) == 4 * (7 + 3 + 5)


def test_peak_bytes_of_known_allocations():
    def run():
        a = torch.empty(2**20)
        b = torch.empty(2**20)
        del a
        c = torch.empty(2**18)
        return b, c

    assert peak_bytes(run, 'cpu') == 2 * 4 * 2**20


def test_work_of_the_first_and_last_stage():
    # Products of four real ones would take 22.9 and 0.285 GFLOP; transforms take 1.1 and 0.026.
    first, last = (
        afno_work(shape, blocks)['forward']
        for shape, blocks in (((1, 256, 256, 208), 1), ((1, 32, 32, 512), 8))
    )
    assert first.flops / 1e9 == pytest.approx(0.75 * 22.9 + 1.1, rel=0.01)
    assert last.flops / 1e9 == pytest.approx(0.75 * 0.285 + 0.027, rel=0.01)
    assert first.bytes == 7 * 4 * 256 * 256 * 208
    quarter = afno_work((1, 256, 256, 208), 1, 0.5)['forward']
    assert quarter.flops == pytest.approx(0.252 * 0.75 * 22.9e9 + 0.82e9, rel=0.02)


def test_speed_ups_are_geometric_means_of_ratios_of_medians():
    cases = [
        case('s1', row(PUBLIC, [4, 4, 100], [8], 40), row('AFNO a', [1], [4], 10, chosen=True)),
        case('s2', row(PUBLIC, [9], [9], 10), row('AFNO a', [1], [9], 10, chosen=False)),
        case('s3', row(PUBLIC, [1], [1])),
    ]
    found = ratios.speed_ups(cases)['AFNO a']
    assert found['forward'] == pytest.approx(6) and found['train'] == pytest.approx(2**0.5)
    assert found['saved'] == pytest.approx(1 / 2)
    assert found['cases'] == 2 and not found['chosen']


def test_ratios_are_to_the_faster_public_layer():
    half = case('s1', row(PUBLIC, [4], [8]), row(f'{PUBLIC} fp32', [2], [6]), row('AFNO', [1], [3]))
    assert ratios.speed_ups([half])['AFNO']['train'] == pytest.approx(2)


def test_growth_exponent():
    tokens = [4096, 16384, 65536]
    assert ratios.growth_exponent(tokens, [3 * n**1.5 for n in tokens]) == pytest.approx(1.5)


def test_means_leave_the_vit_out():
    cases = [
        case('s1 x', row(PUBLIC, [5], [5]), row('AFNO a', [1], [1], chosen=True)),
        case('ViT-B/4 x', row(PUBLIC, [1], [1]), row('AFNO a', [1], [1], chosen=True)),
    ]
    text = report.show_summaries(dict(cases=cases, circumstances=dict(device='cpu', dtype='fp32')))
    assert '| AFNO a * | 5.00 | 5.00 | 1.00 | 1 of 1 |' in text
    assert '| stages  | AFNO | physicsnemo AFNO2DLayer | forward | >= 2.6 | 5.00 |' in text
    assert '| train | >= 1.25 | 1.00, missed |' in text


@pytest.mark.parametrize(
    'goal, value',
    [
        (Goal('mit', 'AFNO', 'ESA', 'train', 1), 2),  # the worst of both sizes
        (Goal('mit', 'AFNO', 'ESA', 'saved', 1), 0.5),
        (Goal('mit', 'AFNO', 'ESA', 'train', 1, shape='1024x1024'), 4),
        (Goal('mit', 'AFNO b', 'ESA', 'train', 1, chosen=False), 16),
        (Goal('mit', 'AFNO b', 'ESA', 'train', 1), None),  # not the path that is chosen
        (Goal('mit', 'AFNO', 'GFN', 'train', 1), None),
        (Goal('mit', 'AFNO', 'ESA', 'train', 1, device='cuda'), None),
    ],
)
def test_goals(goal, value):
    cases = [
        case(
            shape,
            row('ESA', [1], [16], 20, kind='ESA'),
            row('AFNO b', [1], [1]),
            row('AFNO a', [1], [train], chosen=True),
            suite='mit',
        )
        for shape, train in (('1024x1024', 4), ('1024x2048', 8))
    ]
    facts = dict(device='cpu', dtype='fp32')
    assert goal.measured(dict(cases=cases, circumstances=facts)) == value


def test_goals_name_what_there_is():
    for goal in GOALS:
        assert goal.suite in SUITES and goal.quantity in ('forward', 'train', 'saved')
        assert goal.dtype in DTYPES


def test_share_of_the_limit():
    limited = dict(
        row('AFNO', [2], [4]),
        work=dict(forward=dict(flops=1e9, bytes=5e8), train=dict(flops=1e9, bytes=3e9)),
    )
    one = case('s1', limited)
    assert report.limit_share(limited, one, 'forward') == pytest.approx(1 / 2)
    assert report.limit_share(limited, one, 'train') == pytest.approx(3 / 4)
