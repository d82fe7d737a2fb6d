"""Results as tables, as ratios, and as files."""
import json
import math
import statistics
from pathlib import Path

from .cases import PUBLIC_AFNO
from .plot import plot

# How many times faster than the public layer the path that AFNO chooses is meant to be
# (geometric mean over the stages), by device type and dtype.
TARGETS = {
    ('cpu', 'fp32'): {'AFNO': dict(forward=2.5, train=2.5), 'AFNO-25%': dict(forward=7, train=6)},
    ('cuda', 'fp32'): {'AFNO': dict(forward=2, train=2), 'AFNO-25%': dict(forward=4, train=4)},
    ('cuda', 'tf32'): {'AFNO': dict(forward=3, train=3), 'AFNO-25%': dict(forward=6, train=6)},
    ('cuda', 'bf16'): {'AFNO': dict(forward=6, train=6), 'AFNO-25%': dict(forward=10, train=10)},
}


def write(results, out):
    """Writes ``out`` + .json (all samples), .md (the tables) and .png."""
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with_suffix = {suffix: out.with_name(out.name + suffix) for suffix in ('.json', '.md', '.png')}
    with_suffix['.json'].write_text(json.dumps(results, indent=1) + '\n')
    with_suffix['.md'].write_text(show(results) + '\n')
    plot(results, with_suffix['.png'])
    return list(with_suffix.values())


def show(results):
    """All tables as Markdown."""
    sections = [_circumstances(results['circumstances'])]
    sections += [show_case(case) for case in results['cases']]
    return '\n\n'.join([*sections, show_summaries(results)]).rstrip()


def show_summaries(results):
    """Means over the stages, against the targets; growth with tokens."""
    sections = []
    stages = [case for case in results['cases'] if case['suite'] == 'stages']
    if stages:
        sections.append(_show_means(stages, results['circumstances']))
    growing = [case for case in results['cases'] if case['suite'] == 'tokens']
    if len(growing) > 1:
        sections.append(_show_growth(growing))
    return '\n\n'.join(sections)


def show_case(case):
    """Times, ratios to the public layer and bytes of one case."""
    base = baseline(case)
    flops, rate = (statistics.median(case['rates'][key]) for key in ('flops', 'bytes'))
    lines = [
        f'### {case["suite"]}: {case["shape"]}, batch {case["batch"]}', '',
        *([case['notes'] + '.'] if case['notes'] else []),
        f'Products {flops / 1e9:.0f} GFLOP/s, copies {rate / 1e9:.0f} GB/s. Times are medians in '
        f'ms, ± half of the interquartile range; x is the ratio to {base["name"] if base else "-"}.'
        ' * is the path that AFNO chooses; limit is the share of what the machine could do.', '',
        _row('', 'forward', 'x', 'limit', 'forward+backward', 'x', 'limit', 'saved MB',
             'of the input', 'peak MB'),
        '|' + '---|' * 10]
    for row in case['rows']:
        times = []
        for phase in ('forward', 'train'):
            share = limit_share(row, case, phase)
            times += [_time(row['seconds'][phase]),
                      f'{median(base, phase) / median(row, phase):.2f}' if base else '',
                      f'{100 * share:.0f} %' if share else '']
        lines.append(_row(row['name'] + ' *' * row['chosen'], *times,
                          f'{row["saved_bytes"] / 1e6:.4g}',
                          f'{row["saved_bytes"] / row["input_bytes"]:.2f}',
                          f'{row["peak_bytes"] / 1e6:.4g}'))
    if case['agreement']:
        lines += ['', 'Relative distances: ' + '; '.join(
            f'{entry["name"]} from {entry["against"]} {entry["distance"]:.1e}'
            + ('' if entry['agrees'] else f' (MORE THAN {entry["tolerance"]:.0e})')
            for entry in case['agreement']) + '.']
    if case['left_out']:
        lines += ['', 'Left out:', *(f'- {name}: {why}' for name, why in case['left_out'].items())]
    return '\n'.join(lines)


def baseline(case):
    """The public AFNO layer's row, under autocast or not, whichever trains faster; else None."""
    rows = [row for row in case['rows'] if row['name'].startswith(PUBLIC_AFNO)]
    return min(rows, key=lambda row: median(row, 'train'), default=None)


def median(row, phase):
    return statistics.median(row['seconds'][phase])


def limit_share(row, case, phase):
    """Time of a fused operator at the machine's rates over the time taken; None without model."""
    if not row['work']:
        return None
    flops, rate = (statistics.median(case['rates'][key]) for key in ('flops', 'bytes'))
    work = row['work'][phase]
    return max(work['flops'] / flops, work['bytes'] / rate) / median(row, phase)


def speed_ups(cases):
    """Ratios to the public layer, geometric means over cases.

    Returns:
        dict[str, dict]: By name: 'forward', 'train' and 'saved' (how many times less), the
        number of 'cases' that count, and whether AFNO has 'chosen' the path in all of them.
    """
    ratios = {}
    for case in cases:
        base = baseline(case)
        for row in case['rows'] if base else ():
            ratio = {phase: median(base, phase) / median(row, phase)
                     for phase in ('forward', 'train')}
            ratio['saved'] = base['saved_bytes'] / max(row['saved_bytes'], 1)
            ratios.setdefault(row['name'], []).append((ratio, row))
    return {
        name: dict({key: geometric_mean([ratio[key] for ratio, _ in found])
                    for key in ('forward', 'train', 'saved')},
                   kind=found[0][1]['kind'], cases=len(found),
                   chosen=all(row['chosen'] for _, row in found))
        for name, found in ratios.items()}


def geometric_mean(values):
    return math.exp(statistics.fmean(map(math.log, values)))


def growth_exponent(tokens, seconds):
    """a of the least-squares fit ``seconds ~ tokens^a``."""
    return statistics.linear_regression(
        [math.log(n) for n in tokens], [math.log(t) for t in seconds]).slope


def _show_means(cases, circumstances):
    named = [case for case in cases if not case['shape'].startswith('ViT')]
    lines = [f'### Geometric means over {", ".join(case["shape"] for case in named)}', '']
    means = speed_ups(named)
    if not means:
        return '\n'.join(lines + [f'None: {PUBLIC_AFNO}, which they are ratios to, was not run.'])
    lines += [_row('', 'forward x', 'forward+backward x', 'saved, times less', 'sizes'),
              '|' + '---|' * 5]
    for name, mean in means.items():
        lines.append(_row(name + ' *' * mean['chosen'], *(f'{mean[key]:.2f}' for key in (
            'forward', 'train', 'saved')), f'{mean["cases"]} of {len(named)}'))
    kind = circumstances['device'].split(':')[0], circumstances['dtype']
    for name, target in TARGETS.get(kind, {}).items():
        for mean in (m for m in means.values() if m['chosen'] and m['kind'] == name):
            lines += ['', f'{name} against its target: ' + ', '.join(
                f'{phase} {mean[phase]:.2f} / {wanted:g} = {mean[phase] / wanted:.2f}'
                for phase, wanted in target.items())]
    return '\n'.join(lines)


def _show_growth(cases):
    cases = sorted(cases, key=lambda case: case['tokens'])
    names = dict.fromkeys(row['name'] for case in cases for row in case['rows'])
    sizes = [f'{case["tokens"]}' for case in cases]
    lines = ['### Growth: time ~ tokens^a', '',
             _row('ms', *(f'{phase} {size}' for phase in ('forward', 'f+b') for size in sizes),
                  'a forward', 'a f+b'), '|' + '---|' * (2 * len(sizes) + 3)]
    for name in names:
        rows = {case['tokens']: row for case in cases for row in case['rows']
                if row['name'] == name}
        times = [[median(rows[case['tokens']], phase) if case['tokens'] in rows else None
                  for case in cases] for phase in ('forward', 'train')]
        known = [[(n, t) for n, t in zip((case['tokens'] for case in cases), series)
                  if t is not None] for series in times]
        lines.append(_row(
            name, *(f'{1e3 * t:.4g}' if t is not None else '' for series in times for t in series),
            *(f'{growth_exponent(*zip(*series)):.2f}' if len(series) > 1 else ''
              for series in known)))
    return '\n'.join(lines)


def _circumstances(facts):
    packages = ', '.join(f'{name} {version or "(missing)"}'
                         for name, version in facts['packages'].items())
    variables = ', '.join(f'{name}={value}' for name, value in facts['environment'].items()
                          if value) or 'none'
    machine = facts['gpu'] or f'{facts["cpu"]}, {facts["threads"]} threads'
    return (f'{facts["date"]}, {machine}, {facts["dtype"]}. {packages}. '
            f'Environment variables: {variables}.\nCommand: `{facts.get("command", "")}`')


def _time(samples):
    text = f'{1e3 * statistics.median(samples):.4g}'
    if len(samples) > 1:
        low, _, high = statistics.quantiles(samples, n=4, method='inclusive')
        text += f' ± {1e3 * (high - low) / 2:.1g}'
    return text


def _row(*cells):
    return '| ' + ' | '.join(cells) + ' |'
