"""Write the results of a sweep as JSON, as tables and as plots."""

import itertools
import json
import math
from collections.abc import Mapping
from typing import Any

from ..engine.safety.checkpoint_files import AtomicLocalBackend
from . import plot, record
from .plan import Run, Stage, Sweep
from .statistics import holm, mean_and_error, sign_flip_test

KEYS = ('state', 'value', 'at', 'unit', 'others', 'curve', 'parameters', 'seconds', 'finished')
Outcomes = Mapping[str, list[list[dict]]]  # outcomes[point][stage] has one outcome per seed


def write_results(sweep: Sweep, failures: Mapping[str, str]) -> None:
    """Rewrite ``results.json``, ``.md``, ``.png`` and ``curves.png`` in the sweep's folder.

    The files show all points. ``failures`` maps the points that failed in this launch to reasons.
    """
    outcomes = {
        name: [[_outcome(run) for run in runs if run.stage is stage] for stage in sweep.stages]
        for name, runs in sweep.points.items()
    }
    points = []
    for name, runs in sweep.points.items():
        found = [one for stage in zip(*outcomes[name]) for one in stage]
        point: dict[str, Any] = dict(name=name, options=runs[0].options)
        point['failed'] = failures.get(name)
        if sweep.tune:
            key = sweep.tune.key
            trials = [(run, _outcome(run)) for run in sweep.trials[name]]
            point['trials'] = [{key: r.options[key], **_entry(r, found)} for r, found in trials]
            point['chosen'] = {key: sweep.chosen.get(name)}
        points.append(point | dict(stages=[_entry(*pair) for pair in zip(runs, found)]))
    compared = _compare(sweep, outcomes)
    results = dict(
        sweep=sweep.name,
        note=sweep.note,
        versions=_versions(outcomes),
        comparisons=compared,
        points=points,
    )
    parts = [sweep.note, _table(sweep, outcomes, failures), _comparison_table(sweep, compared)]
    files = AtomicLocalBackend()  # a reader never sees half of a file
    files.put_text(json.dumps(results, indent=2) + '\n', sweep.folder / 'results.json')
    files.put_text('\n'.join(part for part in parts if part), sweep.folder / 'results.md')
    plot.results(sweep, outcomes).savefig(sweep.folder / 'results.png', dpi=150)
    plot.curves(sweep, outcomes).savefig(sweep.folder / 'curves.png', dpi=150)


def result(stage: Stage, found: dict) -> str:
    """Return the value of a finished run as text."""
    return f'{found["value"]:.4g}, {stage.collect} at {found["unit"]} {found["at"]}'


def _outcome(run: Run) -> dict:
    try:
        found = record.check(run)
    except ValueError:  # a point that was not asked for may have run with other settings
        return dict(state='ran with other settings')
    if found is None:
        return dict(state='not trained')
    return dict(found, state='finished' if record.is_finished(found) else 'begun')


def _entry(run, outcome):
    stage = dict(config=run.config_file, collect=run.stage.collect, metric=run.stage.metric)
    if run.seed is not None:
        stage['seed'] = run.seed
    return stage | {key: outcome[key] for key in KEYS if key in outcome}


def _versions(outcomes):
    """Return the different ``versions`` of the runs, each once."""
    runs = [one for stages in outcomes.values() for stage in stages for one in stage]
    versions = [one['versions'] for one in runs if 'versions' in one]
    return [one for i, one in enumerate(versions) if one not in versions[:i]]


def _finished(outcomes):
    return [one for one in outcomes if one['state'] == 'finished']


def _table(sweep, outcomes, failures):
    columns = [(i, name) for i, s in enumerate(sweep.stages) for name in (s.metric, *s.others)]
    tuned = [sweep.tune.key.rpartition('.')[2]] if sweep.tune else []
    rows = [[sweep.label, 'parameters', *tuned, *(name for _, name in columns)]]
    for name, stages in outcomes.items():
        sizes = [one['parameters'] for stage in stages for one in stage if 'parameters' in one]
        row = [name, f'{sizes[0] / 1e6:.4g}M' if sizes else '']
        row += [str(sweep.chosen.get(name, 'not chosen'))] if tuned else []
        for i, metric in columns:
            if _finished(stages[i]):
                row.append(_value(sweep.stages[i], metric, stages[i]))
            elif name in failures and 'failed' not in row:
                row.append('failed')
            else:
                states = [one['state'] for one in stages[i]]
                row.append(next((one for one in states if one != 'not trained'), states[0]))
        rows.append(row)
    return _markdown(rows)


def _value(stage, metric, outcomes):
    """Return the value of a run, or the mean and standard error over seeds, as text."""
    values = [record.value(one, metric) for one in _finished(outcomes)]
    if len(outcomes) == 1:
        return result(stage, dict(outcomes[0], value=values[0]))
    mean, error = mean_and_error(values)
    # Show two digits of the error, and the mean with as many decimals.
    digits = max(0, 1 - math.floor(math.log10(error))) if error > 0 else 2
    spread = f' ± {error:.{digits}f}' if len(values) > 1 else ''
    return f'{mean:.{digits}f}{spread} ({len(values)} of {len(outcomes)} seeds)'


def _compare(sweep: Sweep, outcomes: Outcomes) -> list[dict]:
    """Return each comparison's differences, paired by seed. Test only each stage's own metric."""
    compared = []
    for i, stage in enumerate(sweep.stages):
        metrics = (stage.metric, *stage.others)
        for metric, (question, pairs) in itertools.product(metrics, sweep.comparisons.items()):
            family: list[dict[str, Any]] = []
            for pair in pairs:
                both = [
                    seed
                    for seed in zip(sweep.seeds, *(outcomes[name][i] for name in pair))
                    if len(_finished(seed[1:])) == 2
                ]
                if len(both) > 1:
                    differences = [
                        record.value(a, metric) - record.value(b, metric) for _, a, b in both
                    ]
                    mean, error = mean_and_error(differences)
                    entry = dict(question=question, pair=pair, metric=metric)
                    entry['seeds'] = [seed for seed, *_ in both]
                    family.append(entry | dict(differences=differences, mean=mean, error=error))
            if metric == stage.metric:
                p_values = [sign_flip_test(one['differences']) for one in family]
                # Holm's correction also counts comparisons without results, as p = 1.
                every = p_values + [1.0] * (len(pairs) - len(family))
                for one, p, corrected in zip(family, p_values, holm(every)):
                    one.update(p=p, p_holm=corrected)
            compared += family
    return compared


def _comparison_table(sweep, compared):
    if not compared:
        return ''
    rows = [['paired difference', 'metric', 'seeds', 'mean ± standard error', 'p', 'p (Holm)']]
    if any(sweep.comparisons):
        rows[0].insert(0, 'question')
    for one in compared:
        tested = [f'{one[key]:.4f}' if key in one else '' for key in ('p', 'p_holm')]
        size = f'{one["mean"]:+.3f} ± {one["error"]:.3f}'
        row = [' - '.join(one['pair']), one['metric'], str(len(one['seeds'])), size, *tested]
        rows.append([one['question'], *row] if any(sweep.comparisons) else row)
    counts = ' and '.join(str(len(pairs)) for pairs in sweep.comparisons.values())
    return (
        f'{_markdown(rows)}\np is that of an exact two-sided sign-flip test of the paired '
        f"differences, before and after Holm's correction for the {counts} comparisons that the "
        f'config names{" for each question" if len(sweep.comparisons) > 1 else ""}.\n'
    )


def _markdown(rows):
    head, *lines = (f'| {" | ".join(row)} |\n' for row in rows)
    return ''.join([head, '|' + '---|' * len(rows[0]) + '\n', *lines])
