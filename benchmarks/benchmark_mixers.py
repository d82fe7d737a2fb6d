"""Time and memory of the mixers beside the public layers, taken in turns in one process.

  stages  single mixers on the tokens of SegFormer-B3's stages and of ViT-B/4
  mit     all mixers of MiT-B3 on one image of 1024x1024
  tokens  growth from 4096 to 262144 tokens at width 64
  model   SegFormer-B3: inference, and a training step, at 1024x1024 and 1024x2048

The public layers are installed by: pip install -e ".[bench]". Those that are missing are left out,
and named.
"""

import argparse
import os
import shlex
import sys
from pathlib import Path

import afno_mm  # noqa: F401  names a broken environment before anything else fails
import mmengine
from mixer_bench import SUITES, Settings, run_suites, show, show_case, show_summaries, write
from mixer_bench.measure import DTYPES


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--suite', nargs='+', choices=SUITES, default=['stages'])
    parser.add_argument('--device', default='cpu', help="'cpu' (default), 'cuda', 'cuda:1'")
    parser.add_argument('--dtype', choices=DTYPES, default='fp32', help='bf16 is by autocast')
    parser.add_argument('--batch-size', type=int, help='default: 1 on CPUs, 8 on GPUs')
    parser.add_argument('--threads', type=int, help="of the CPU (default: PyTorch's)")
    parser.add_argument('--repeats', type=int, help='rounds (default: 2 to 10 by suite)')
    parser.add_argument(
        '--shapes',
        nargs='+',
        default=[],
        metavar='SHAPE',
        help="in place of the suite's: HxWxC/blocks or s1 to s4 for stages and "
        'tokens, HxW in pixels for all others',
    )
    parser.add_argument(
        '--only',
        nargs='+',
        default=[],
        metavar='NAME',
        help='run what has one of these in its name',
    )
    parser.add_argument(
        '--keep-memory',
        action='store_true',
        help='keep freed CPU memory, as tools/train.py does, for all candidates',
    )
    parser.add_argument('--variant', default='b3', help='of MiT and SegFormer, b0 to b3')
    parser.add_argument(
        '--out',
        help='without suffix: results as .json, .md and .png '
        '(default: work_dirs/benchmark/<suites>_<device>_<dtype>)',
    )
    parser.add_argument('--show', metavar='FILE.json', help='print the tables of earlier results')
    return parser.parse_args()


def main():
    args = parse_args()
    os.environ.setdefault('KINETO_LOG_LEVEL', '99')  # the profiler's notes on its own starts
    if args.show:
        print(show(mmengine.load(args.show)))
        return
    configs = Path(__file__).resolve().parents[1] / 'configs'
    settings = Settings(
        args.device,
        args.dtype,
        args.batch_size,
        args.repeats,
        args.threads,
        args.shapes,
        args.only,
        args.variant,
        str(configs),
        args.keep_memory,
    )
    out = args.out or 'work_dirs/benchmark/{}_{}_{}'.format(
        '_'.join(args.suite), args.device.replace(':', ''), args.dtype
    )
    command = shlex.join(['python', *sys.argv])
    files = []

    def report(results):
        results['circumstances']['command'] = command
        files[:] = write(results, out)
        print(show_case(results['cases'][-1]), end='\n\n', flush=True)

    results = run_suites(args.suite, settings, report)
    print(show_summaries(results))
    print('\nwritten to', *files)


if __name__ == '__main__':
    main()
