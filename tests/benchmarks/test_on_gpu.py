"""What is prepared for GPUs, without one: the script, the traffic, the kernels' resources."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from afno_mm.ops.afno import planar
from mixer_bench.layers import STAGES, Stage
from traffic import operands, transfers

REPOSITORY = Path(__file__).parents[2]
counts_traffic = pytest.mark.skipif(
    torch.__version__ < '2.7', reason='in torch 2.6, tensors without values on CUDA need its driver'
)


def on_gpu(out, *steps, **environment):
    path = os.pathsep.join([str(REPOSITORY), os.environ.get('PYTHONPATH', '')])
    env = os.environ | dict(DEVICE='cpu', TINY='1', PYTHON=sys.executable, PYTHONPATH=path)
    command = [str(REPOSITORY / 'benchmarks/on_gpu.sh'), str(out), *steps]
    return subprocess.run(command, env=env | environment, capture_output=True, text=True)


@pytest.mark.slow
def test_the_script_runs_its_steps_and_goes_on_where_it_stopped(tmp_path):
    first = on_gpu(tmp_path, 'transforms', 'training', 'tables')
    assert first.returncode == 0, first.stderr
    assert '| segformer_afno_b0_cityscapes | 64x64 | 2 | bf16 | no |' in first.stdout
    assert '| 8x8 | fp32 |' in first.stdout
    again = on_gpu(tmp_path, 'transforms')
    assert again.stdout == 'transforms: done before\n'


def test_a_step_that_takes_too_long_fails_and_is_run_again_later(tmp_path):
    stopped = on_gpu(tmp_path, 'transforms', STEP_SECONDS='0.1')
    assert stopped.returncode == 1
    assert 'transforms failed or took more than 0.1 s' in stopped.stderr
    assert not (tmp_path / 'transforms.done').exists()


def test_an_unknown_step_is_refused_with_the_known_ones(tmp_path):
    refused = on_gpu(tmp_path, 'stagse')
    assert refused.returncode == 2
    assert "no step 'stagse'; there are: tests stages" in refused.stderr


@counts_traffic
def test_traffic_of_one_product_at_a_time_is_what_the_launches_move():
    """Counted by hand in transfers of the tokens, without weights, for 2 W -> W modes.

    Forward: along W 2, along H 2, two products 4 and the mask 1/2, inverse along H 2, inverse along
    W 2 with the tokens added (1).
    """
    stage = Stage('', 8, 1022, 768, 1)
    half_spectrum = 2 * 512 / 1022
    by_hand = 1 + half_spectrum * (1 + 2 + 4 + 0.25 + 2 + 1) + 2
    count = transfers(stage, dtype=torch.bfloat16)['forward'] - weights_of(stage)
    # The inference pass of `transfers` stores no mask.
    assert count == pytest.approx(by_hand - half_spectrum * 0.25, rel=0.02)


def weights_of(stage):
    """Return the transfers of the casts (6 bytes a weight) and of reading the weights (2)."""
    weights = 2 * 2 * stage.embed_dims**2 / stage.num_blocks
    return weights * 8 / (8 * stage.height * stage.width * stage.embed_dims * 2)


@counts_traffic
def test_truncation_saves_traffic_and_training_moves_more_than_inference():
    full, quarter = transfers(STAGES[2]), transfers(STAGES[2], mode_fraction=0.5)
    assert quarter['forward'] < 0.7 * full['forward']
    assert quarter['train'] < 0.7 * full['train']
    assert 2 < full['train'] / full['forward'] < 4


@counts_traffic
def test_counting_keeps_matrices_with_and_without_values_apart():
    real = planar._multiplicity(STAGES[2].width, 33, 'cpu')
    transfers(STAGES[2])
    assert torch.equal(planar._multiplicity(STAGES[2].width, 33, 'cpu'), real)


def test_a_new_kernel_must_be_counted():
    with pytest.raises(ValueError, match='other_kernel is not counted'):
        list(operands('other_kernel', {}))
