"""Measure time and memory of the mixers and of the public layers, in turns in one process.

Suites:
  stages      single mixers on the tokens of SegFormer-B3's stages and of ViT-B/4
  tokens      single mixers of width 64 on 4096 to 262144 tokens: how the time grows
  mit         all mixers of a MiT-B3 on one image of 1024x1024 pixels
  model       SegFormer-B3 at 1024x1024 and 1024x2048: inference and a training step
  inpainting  ViT-B/4 that inpaints 224x224 pixels: inference and a training step

Install the public layers with: pip install -e ".[bench]". The tables name missing layers.
"""

import argparse
import json
import os
import shlex
import sys
from pathlib import Path

import afno_mm  # noqa: F401  reports a broken environment before any other import fails
from afno_mm.command_line import Parser
from mixer_bench import SUITES, Settings, run_suites, show, show_case, show_summaries, write
from mixer_bench.measure import DTYPES

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'


def parse_args() -> argparse.Namespace:
    example = 'python benchmarks/benchmark_mixers.py --suite stages --repeats 2'
    parser = Parser(__doc__, example)
    parser.add_argument('--suite', nargs='+', choices=SUITES, default=['stages'])
    parser.add_argument('--device', default='cpu', help="'cpu' (default), 'cuda', 'cuda:1'")
    parser.add_argument(
        '--dtype', choices=DTYPES, default='fp32', help='bf16 and fp16 use autocast'
    )
    parser.add_argument('--batch-size', type=int, help='default: 1 on CPUs, 8 on GPUs')
    parser.add_argument('--threads', type=int, help="CPU threads (default: PyTorch's choice)")
    parser.add_argument(
        '--repeats', type=int, help='number of rounds (default: 2 to 10, by suite and device)'
    )
    parser.add_argument(
        '--shapes',
        nargs='+',
        default=[],
        metavar='SHAPE',
        help="replaces the suite's own sizes. For stages and tokens: HxWxC/blocks or s1 to s4; "
        'for the other suites: HxW in pixels',
    )
    parser.add_argument(
        '--only',
        nargs='+',
        default=[],
        metavar='NAME',
        help='run only candidates whose name contains one of these texts',
    )
    parser.add_argument(
        '--keep-memory',
        action='store_true',
        help='keep freed CPU memory for all candidates, as tools/train.py does',
    )
    parser.add_argument(
        '--cuda-graphs',
        action='store_true',
        help="time replays of CUDA graphs: the GPU's own time, without the launches",
    )
    parser.add_argument('--variant', default='b3', help='size of MiT and SegFormer: b0 to b3')
    parser.add_argument(
        '--out',
        help='where to write .json and .md, without the suffix '
        '(default: work_dirs/benchmark/<suites>_<device>_<dtype>)',
    )
    parser.add_argument('--show', metavar='FILE.json', help='print the tables of earlier results')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    os.environ.setdefault('KINETO_LOG_LEVEL', '99')  # silences the profiler's start-up messages
    if args.show:
        print(show(json.loads(Path(args.show).read_text())))
        return
    settings = Settings(
        device=args.device,
        dtype=args.dtype,
        batch=args.batch_size,
        repeats=args.repeats,
        threads=args.threads,
        shapes=args.shapes,
        only=args.only,
        variant=args.variant,
        configs=str(CONFIGS),
        keep_memory=args.keep_memory,
        cuda_graphs=args.cuda_graphs,
    )
    suites, device = '_'.join(args.suite), args.device.replace(':', '')
    graphs = '_graphs' * args.cuda_graphs
    out = args.out or f'work_dirs/benchmark/{suites}_{device}_{args.dtype}{graphs}'
    command = shlex.join(['python', *sys.argv])
    files: list[Path] = []

    def report(results: dict) -> None:
        results['circumstances']['command'] = command
        files[:] = write(results, out)
        print(show_case(results['cases'][-1]), end='\n\n', flush=True)

    results = run_suites(args.suite, settings, report)
    print(show_summaries(results))
    print('\nwritten to', *files)


if __name__ == '__main__':
    main()
