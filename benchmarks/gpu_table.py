"""Print the results of on_gpu.sh as Markdown tables, beside the limits of the GPU.

python benchmarks/gpu_table.py benchmarks/results/nvidia_h200
"""

import json
from pathlib import Path

import afno_mm  # noqa: F401  reports a broken environment before any other import fails
from afno_mm.command_line import Parser
from mixer_bench import speed_ups
from mixer_bench.measure import PHASES
from mixer_bench.ratios import median
from mixer_bench.report import limit_seconds
from training_steps import table as steps_table
from transform_threshold import table as transforms_table


def stages_table(results: dict) -> str:
    """Compare the backend that AFNO chooses with the public layer, and with an ideal operator.

    The limit is the time in ms of :func:`mixer_bench.report.limit_seconds`.
    """
    lines = [
        '| tokens | forward, ms | x public | limit | training, ms | x public | limit |',
        '|' + '---|' * 7,
    ]
    for case in results['cases']:
        chosen = [row for row in case['rows'] if row['chosen'] and row['kind'] == 'AFNO']
        public = [row for row in case['rows'] if row['name'].startswith('physicsnemo')]
        for row in chosen:
            cells = [case['shape']]
            for phase in PHASES:
                taken, least = median(row, phase), limit_seconds(row, case, phase)
                times = min((median(other, phase) for other in public), default=None)
                ratio = f'{times / taken:.1f}' if times else ''
                cells += [f'{1e3 * taken:.3f}', ratio, f'{1e3 * least:.3f}']
            lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def mixers_table(results: dict) -> str:
    """Return a table with the time of all mixers of a model, and the bytes kept for backward."""
    lines = ['| mixers | forward, ms | training, ms | kept, GB |', '|' + '---|' * 4]
    for row in results['cases'][0]['rows']:
        forward, train = (1e3 * median(row, phase) for phase in ('forward', 'train'))
        name = row['name'] + ' *' * row['chosen']
        lines.append(f'| {name} | {forward:.2f} | {train:.2f} | {row["saved_bytes"] / 1e9:.2f} |')
    return '\n'.join(lines)


def main() -> None:
    parser = Parser(__doc__, 'python benchmarks/gpu_table.py benchmarks/results/nvidia_h200')
    parser.add_argument('folder', type=Path, help='where on_gpu.sh has written its results')
    folder = parser.parse_args().folder
    for file in sorted(folder.glob('stages_*.json')):
        results = json.loads(file.read_text())
        facts = results['circumstances']
        how = ', CUDA graphs' * facts.get('cuda_graphs', False)
        print(f'## Single mixers, {facts["dtype"]}{how}, {facts["gpu"] or facts["cpu"]}\n')
        print(stages_table(results), end='\n\n')
        means = speed_ups(case for case in results['cases'] if 'ViT' not in case['shape'])
        for name, mean in means.items():
            if mean['chosen']:
                forward, train = mean['forward'], mean['train']
                print(
                    f'{name}: {forward:.1f} x the public layer forward, {train:.1f} x training.\n'
                )
    for file in sorted(folder.glob('mit_*.json')):
        print(f'## All mixers of a MiT ({file.stem})\n')
        print(mixers_table(json.loads(file.read_text())), end='\n\n')
    if (folder / 'steps.json').exists():
        print('## Training steps of whole models\n')
        print(steps_table(json.loads((folder / 'steps.json').read_text())), end='\n\n')
    if (folder / 'transforms.json').exists():
        print('## Products or FFT\n')
        print(transforms_table(json.loads((folder / 'transforms.json').read_text())['rows']))


if __name__ == '__main__':
    main()
