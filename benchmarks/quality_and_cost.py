"""Draw the quality of a sweep's models over their cost: parameters, MACs, time and memory.

    python benchmarks/quality_and_cost.py configs/sweeps/sizes.py docs/sizes/results.json

The quality is read from the results of `tools/sweep.py`: means over the seeds. The cost is measured
now, for all finished points in turns in one process: a training step (forward, loss and backward,
without the optimiser) on random images, at the size and the batch size of the training.
Writes costs.json and costs.png beside the results, and prints a table.
"""

import argparse
import json
import logging
import os
import shlex
import statistics
import sys
from pathlib import Path

import afno_mm  # noqa: F401  reports a broken environment before any other import fails
import torch
from afno_mm.analysis import model_cost
from afno_mm.command_line import Parser, config_argument
from afno_mm.engine import build_model, image_size
from afno_mm.sweep import load_sweep
from afno_mm.sweep.plan import Run
from afno_mm.sweep.statistics import mean_and_error
from afno_mm.tasks import task_of
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from mixer_bench import Settings
from mixer_bench.candidates import Model
from mixer_bench.measure import circumstances, measure

COSTS = {  # title of each panel and column, by key
    'parameters': 'parameters, millions',
    'macs': 'GMACs of an image',
    'seconds': 'training step, ms',
    'peak_bytes': 'peak memory, MB',
}
UNITS = dict(parameters=1e6, macs=1e9, seconds=1e-3, peak_bytes=1e6)


def measured_costs(runs: dict[str, Run], settings: Settings) -> list[dict]:
    """Return the costs of the models of ``runs``, by name, measured in turns."""
    candidates, rows = [], {}
    for name, run in runs.items():
        cfg = run.config
        size, task = image_size(cfg), task_of(cfg)
        cfg.model.backbone.init_cfg = None
        torch.manual_seed(0)
        model = build_model(cfg, size, settings.device)
        batch = task.random_batch(cfg.model, size, cfg.train_dataloader.batch_size)
        inputs = model.data_preprocessor(batch, True)
        candidates.append(Model(name, name, model, inputs, task))
        cost = model_cost(cfg, size)
        rows[name] = dict(
            name=name, image=list(size), parameters=cost.parameters, macs=int(cost.total)
        )
    measured, left_out, _ = measure(candidates, settings, settings.repeats or 5)
    if left_out:
        raise RuntimeError(f'these models could not be measured: {left_out}')
    for found in measured:
        seconds = found['seconds']['train']
        rows[found['name']] |= dict(
            seconds=statistics.median(seconds),
            spread=(max(seconds) - min(seconds)) / 2,
            peak_bytes=found['peak_bytes'],
        )
    return list(rows.values())


def qualities(results: dict) -> dict[str, list[float]]:
    """Return the values of the last stage of each finished point, one per seed, by name."""
    metric = results['points'][0]['stages'][-1]['metric']
    values = {
        point['name']: [
            stage['value']
            for stage in point['stages']
            if stage.get('state') == 'finished' and stage['metric'] == metric
        ]
        for point in results['points']
    }
    return {name: found for name, found in values.items() if found}


def table(rows: list[dict], quality: dict[str, list[float]], metric: str) -> str:
    """Return a Markdown table of quality and cost."""
    lines = [f'| model | {metric} | {" | ".join(COSTS.values())} |', '|---' * 6 + '|']
    for row in rows:
        mean, error = mean_and_error(quality[row['name']])
        shown = f'{mean:.2f}' + (f' ± {error:.2f}' if len(quality[row['name']]) > 1 else '')
        cells = [f'{row[key] / UNITS[key]:.3g}' for key in COSTS]
        lines.append(f'| {row["name"]} | {shown} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def picture(rows: list[dict], quality: dict[str, list[float]], metric: str) -> Figure:
    """Draw a panel for each cost. A line joins names that are equal up to the last '-'."""
    figure = Figure(figsize=(15, 4), layout='constrained')
    series: dict[str, list[dict]] = {}
    for row in rows:
        series.setdefault(row['name'].rpartition('-')[0] or row['name'], []).append(row)
    panels = figure.subplots(1, len(COSTS), sharey=True)
    for axes, (key, title) in zip(panels, COSTS.items()):
        for name, members in series.items():
            places = [row[key] / UNITS[key] for row in members]
            means, errors = zip(*(mean_and_error(quality[row['name']]) for row in members))
            axes.errorbar(places, means, errors, fmt='o-', capsize=3, markersize=4, label=name)
        axes.set_xlabel(title)
        axes.grid(alpha=0.3)
        every = [row[key] for row in rows]
        if max(every) > 3 * min(every):
            axes.set_xscale('log')
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter('{x:g}')
            axes.minorticks_off()
    panels[0].set_ylabel(metric)
    panels[-1].legend(loc='center left', bbox_to_anchor=(1, 0.5))
    return figure


def parse_args() -> argparse.Namespace:
    example = (
        'python benchmarks/quality_and_cost.py configs/sweeps/sizes.py docs/sizes/results.json'
    )
    parser = Parser(__doc__, example)
    parser.add_argument('sweep', type=config_argument, help='config of the sweep')
    parser.add_argument('results', type=Path, help='its results.json')
    parser.add_argument('--small', action='store_true', help='the small version of the sweep')
    parser.add_argument('--device', default='cpu', help="'cpu' (default), 'cuda', 'cuda:1'")
    parser.add_argument('--threads', type=int, help="CPU threads (default: PyTorch's choice)")
    parser.add_argument('--repeats', type=int, default=5, help='number of rounds')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    logging.disable(logging.INFO)  # messages from building the models
    os.environ.setdefault('KINETO_LOG_LEVEL', '99')  # silences the profiler's start-up messages
    results = json.loads(args.results.read_text())
    quality = qualities(results)
    sweep = load_sweep(args.sweep, 'train.py', small=args.small)
    if sweep.name != results['sweep'] or not set(quality) <= set(sweep.points):
        raise SystemExit(
            f'{args.results} has results of the sweep {results["sweep"]!r} with the points '
            f'{[*quality]}, and {args.sweep} is {sweep.name!r} with {[*sweep.points]}: '
            'give the results of this sweep'
        )
    settings = Settings(device=args.device, threads=args.threads, repeats=args.repeats)
    runs = {name: sweep.points[name][-1] for name in quality}
    with settings.apply():
        rows = measured_costs(runs, settings)
        told = circumstances(settings) | dict(command=shlex.join(['python', *sys.argv]))
    folder, metric = args.results.parent, sweep.stages[-1].metric
    (folder / 'costs.json').write_text(
        json.dumps(dict(circumstances=told, costs=rows), indent=1) + '\n'
    )
    picture(rows, quality, metric).savefig(folder / 'costs.png', dpi=120)
    print(table(rows, quality, metric))
    print(f'written to {folder}/costs.json and costs.png')


if __name__ == '__main__':
    main()
