"""Show results as Markdown tables, and write their files."""

import json
import statistics
from pathlib import Path

from .cases import PUBLIC_AFNO
from .ratios import baseline, growth_exponent, median, speed_ups


def write(results: dict, out: str | Path) -> list[Path]:
    """Write ``out`` + .json (all samples) and .md (the tables). Return both paths."""
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    samples, tables = (out.with_name(out.name + suffix) for suffix in ('.json', '.md'))
    samples.write_text(json.dumps(results, indent=1) + '\n')
    tables.write_text(show(results) + '\n')
    return [samples, tables]


def show(results: dict) -> str:
    """Return all tables as Markdown."""
    sections = [_circumstances(results['circumstances'])]
    sections += [show_case(case) for case in results['cases']]
    return '\n\n'.join([*sections, show_summaries(results)]).rstrip()


def show_summaries(results: dict) -> str:
    """Return the means over the stages, and the growth with tokens."""
    sections = []
    stages = [case for case in results['cases'] if case['suite'] == 'stages']
    if stages:
        sections.append(_show_means(stages))
    growing = [case for case in results['cases'] if case['suite'] == 'tokens']
    if len(growing) > 1:
        sections.append(_show_growth(growing))
    return '\n\n'.join(sections)


def show_case(case: dict) -> str:
    """Return the table of one case: times, ratios to the public layer, and bytes."""
    base = baseline(case)
    flops, rate = (statistics.median(case['rates'][key]) for key in ('flops', 'bytes'))
    lines = [
        f'### {case["suite"]}: {case["shape"]}, batch {case["batch"]}',
        '',
        *([case['notes'] + '.'] if case['notes'] else []),
        f'The machine: matrix products {flops / 1e9:.0f} GFLOP/s, copies {rate / 1e9:.0f} GB/s. '
        'Times are medians in ms, ± half of the interquartile range. '
        + (f'x is the speed-up over {base["name"]}. ' if base else '')
        + '* marks the backend that AFNO chooses. limit is the time of an ideal fused operator at '
        'the rates of the machine, as a share of the measured time. The rates are measured between '
        'the samples, so it can exceed 100 %.',
        '',
        _row(
            '',
            'forward',
            'x',
            'limit',
            'forward+backward',
            'x',
            'limit',
            'saved MB',
            'of the input',
            'peak MB',
        ),
        '|' + '---|' * 10,
    ]
    for row in case['rows']:
        times = []
        for phase in ('forward', 'train'):
            limit, taken = limit_seconds(row, case, phase), median(row, phase)
            times += [
                _time(row['seconds'][phase]),
                f'{median(base, phase) / taken:.2f}' if base else '',
                f'{100 * limit / taken:.0f} %' if limit else '',
            ]
        lines.append(
            _row(
                row['name'] + ' *' * row['chosen'],
                *times,
                f'{row["saved_bytes"] / 1e6:.4g}',
                f'{row["saved_bytes"] / row["input_bytes"]:.2f}',
                f'{row["peak_bytes"] / 1e6:.4g}',
            )
        )
    if case['agreement']:
        lines += [
            '',
            'Relative distances: '
            + '; '.join(
                f'{entry["name"]} from {entry["against"]} {entry["distance"]:.1e}'
                + ('' if entry['agrees'] else f' (MORE THAN {entry["tolerance"]:.0e})')
                for entry in case['agreement']
            )
            + '.',
        ]
    if case['left_out']:
        lines += ['', 'Left out:', *(f'- {name}: {why}' for name, why in case['left_out'].items())]
    return '\n'.join(lines)


def limit_seconds(row: dict, case: dict, phase: str) -> float | None:
    """Return the time of an ideal fused operator.

    It follows from :func:`afno_work` and the machine's rates. Return None for rows that are no AFNO
    operators.
    """
    if not row['work']:
        return None
    flops, rate = (statistics.median(case['rates'][key]) for key in ('flops', 'bytes'))
    work = row['work'][phase]
    return max(work['flops'] / flops, work['bytes'] / rate)


def _show_means(cases):
    named = [case for case in cases if not case['shape'].startswith('ViT')]
    lines = [f'### Geometric means over {", ".join(case["shape"] for case in named)}', '']
    means = speed_ups(named)
    if not means:
        return '\n'.join(lines + [f'None: they are ratios to {PUBLIC_AFNO}, which was not run.'])
    lines += [_row('', 'forward x', 'forward+backward x', 'saved x', 'sizes'), '|' + '---|' * 5]
    for name, mean in means.items():
        lines.append(
            _row(
                name + ' *' * mean['chosen'],
                *(f'{mean[key]:.2f}' for key in ('forward', 'train', 'saved')),
                f'{mean["cases"]} of {len(named)}',
            )
        )
    return '\n'.join(lines)


def _show_growth(cases):
    cases = sorted(cases, key=lambda case: case['tokens'])
    names = dict.fromkeys(row['name'] for case in cases for row in case['rows'])
    sizes = [f'{case["tokens"]}' for case in cases]
    lines = [
        '### Growth: time ~ tokens^a',
        '',
        _row(
            'ms',
            *(f'{phase} {size}' for phase in ('forward', 'f+b') for size in sizes),
            'a forward',
            'a f+b',
        ),
        '|' + '---|' * (2 * len(sizes) + 3),
    ]
    for name in names:
        rows = {
            case['tokens']: row for case in cases for row in case['rows'] if row['name'] == name
        }
        times = [
            [
                median(rows[case['tokens']], phase) if case['tokens'] in rows else None
                for case in cases
            ]
            for phase in ('forward', 'train')
        ]
        known = [
            [(n, t) for n, t in zip((case['tokens'] for case in cases), series) if t is not None]
            for series in times
        ]
        lines.append(
            _row(
                name,
                *(f'{1e3 * t:.4g}' if t is not None else '' for series in times for t in series),
                *(
                    f'{growth_exponent(*zip(*series)):.2f}' if len(series) > 1 else ''
                    for series in known
                ),
            )
        )
    return '\n'.join(lines)


def _circumstances(facts):
    packages = ', '.join(
        f'{name} {version or "(missing)"}' for name, version in facts['packages'].items()
    )
    variables = (
        ', '.join(f'{name}={value}' for name, value in facts['environment'].items() if value)
        or 'none'
    )
    machine = facts['gpu'] or f'{facts["cpu"]}, {facts["threads"]} threads'
    return (
        f'{facts["date"]}, {machine}, {facts["dtype"]}. {packages}. '
        f'Environment variables: {variables}.\nCommand: `{facts.get("command", "")}`'
    )


def _time(samples):
    text = f'{1e3 * statistics.median(samples):.4g}'
    if len(samples) > 1:
        low, _, high = statistics.quantiles(samples, n=4, method='inclusive')
        text += f' ± {1e3 * (high - low) / 2:.1g}'
    return text


def _row(*cells):
    return '| ' + ' | '.join(cells) + ' |'
