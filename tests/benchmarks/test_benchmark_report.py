"""The numbers that the benchmark derives: bytes, work, ratios, means, exponents; old results."""

import json
from pathlib import Path

import pytest
import torch
from afno_mm.ops import BACKENDS
from mixer_bench import ratios, report
from mixer_bench.limits import afno_work
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


def test_saved_bytes_counts_each_storage_once_and_no_parameter():
    x, weight = torch.randn(4, 8, requires_grad=True), torch.nn.Parameter(torch.randn(8, 16))
    # The product keeps x and the parameter. ReLU keeps its result.
    assert saved_bytes(lambda: [torch.relu(x @ weight)], [weight]) == 4 * (4 * 8 + 4 * 16)
    # Each square keeps a half of x. Both halves share one storage, which counts once.
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


def test_peak_bytes_is_the_largest_sum_of_allocations():
    def run():
        a = torch.empty(2**20)
        b = torch.empty(2**20)
        del a
        c = torch.empty(2**18)
        return b, c

    assert peak_bytes(run, 'cpu') == 2 * 4 * 2**20


def test_work_of_two_stages_is_that_of_gauss_products_and_fast_transforms():
    # Complex products of four real ones would take 22.9 and 0.285 GFLOP. Gauss takes 3/4 of that.
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


def test_ratios_compare_with_the_faster_public_layer():
    half = case('s1', row(PUBLIC, [4], [8]), row(f'{PUBLIC} fp32', [2], [6]), row('AFNO', [1], [3]))
    assert ratios.speed_ups([half])['AFNO']['train'] == pytest.approx(2)


def test_growth_exponent_is_the_power_of_the_tokens():
    tokens = [4096, 16384, 65536]
    assert ratios.growth_exponent(tokens, [3 * n**1.5 for n in tokens]) == pytest.approx(1.5)


def test_means_do_not_include_the_vit():
    cases = [
        case('s1 x', row(PUBLIC, [5], [5]), row('AFNO a', [1], [1], chosen=True)),
        case('ViT-B/4 x', row(PUBLIC, [1], [1]), row('AFNO a', [1], [1], chosen=True)),
    ]
    text = report.show_summaries(dict(cases=cases, circumstances=dict(device='cpu', dtype='fp32')))
    assert '| AFNO a * | 5.00 | 5.00 | 1.00 | 1 of 1 |' in text


def test_limit_is_the_time_of_an_ideal_operator_over_the_measured_time():
    limited = dict(
        row('AFNO', [2], [4]),
        work=dict(forward=dict(flops=1e9, bytes=5e8), train=dict(flops=1e9, bytes=3e9)),
    )
    one = case('s1', limited)
    assert report.limit_seconds(limited, one, 'forward') == pytest.approx(1)
    assert report.limit_seconds(limited, one, 'train') == pytest.approx(3)
    assert ' 50 % |' in report.show_case(one) and ' 75 % |' in report.show_case(one)


RESULTS = sorted((Path(__file__).parents[2] / 'benchmarks/results').rglob('*.json'))
RESULTS = [path for path in RESULTS if 'cases' in json.loads(path.read_text())]


@pytest.mark.parametrize('path', RESULTS, ids=lambda path: f'{path.parent.name}/{path.stem}')
def test_recorded_results_are_shown_with_the_names_of_today(path):
    results = json.loads(path.read_text())
    assert report.show(results) == path.with_suffix('.md').read_text().rstrip()
    backends = {row['backend'] for case in results['cases'] for row in case['rows']}
    assert backends <= {None, *BACKENDS}
