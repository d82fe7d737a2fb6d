"""Break trainings on purpose and count how many survive.

Each try runs tools/train.py, tools/test.py or a function of the package in a process of its own.
Exits with 1 if a drill falls short.

    python tests/drills/run.py            all drills
    python tests/drills/run.py --short    each of them once or twice
    python tests/drills/run.py --stock    the same with MMEngine's own Runner, hooks and files
"""

import argparse
import json
import os
import platform
import random
import shutil
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
HERE = Path(__file__).parent
# Some drills use functions of the tests.
sys.path[:0] = [str(HERE), str(HERE.parent / 'engine/safety'), str(HERE.parent / 'datasets')]

import harness  # noqa: E402
import mmengine  # noqa: E402
import torch  # noqa: E402

DRILL_FILES = (
    'checkpoint_drills',
    'training_drills',
    'data_drills',
    'distributed_drills',
    'cache_drills',
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--short', action='store_true', help='few tries of each drill')
    parser.add_argument('--only', nargs='+', metavar='WORDS', help='drills whose name has these')
    parser.add_argument('--seed', type=int, help='seed of all random choices (default: a new one)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the table there')
    parser.add_argument('--stock', action='store_true', help="MMEngine's own, to compare")
    return parser.parse_args()


def run(drill: harness.Drill, tries: int, seed: int, folder: Path) -> dict:
    """Try a drill so many times, and return its row of the table."""
    row = dict(drill=drill.name, tried=0, survived=0, lost=[], skipped=None)
    for number in range(tries):
        place = folder / f'{drill.once.__name__}_{number}'
        place.mkdir(parents=True)
        generator = random.Random(f'{seed} {drill.name} {number}')
        tried, survived = 1, 1
        try:
            counts = drill.once(harness.Try(number, generator, place))
            tried, survived = counts or (1, 1)
            if survived < tried:
                row['lost'].append(f'try {number}: {tried - survived} of {tried}')
        except harness.Skip as reason:
            row['skipped'] = str(reason)
            break
        except Exception as error:
            survived = 0
            row['lost'].append(f'try {number}: {str(error)[-1000:] or repr(error)}')
        finally:
            harness.end_children()
        row['tried'] += tried
        row['survived'] += survived
        shutil.rmtree(place, ignore_errors=True)
    return row


def main() -> int:
    args = parse_args()
    seed = random.SystemRandom().randrange(10**6) if args.seed is None else args.seed
    harness.STOCK = args.stock
    torch.set_num_threads(1)
    for name in DRILL_FILES:
        __import__(name)
    drills = [
        drill
        for drill in harness.DRILLS
        if (not args.only or any(words in drill.name for words in args.only))
        and (drill.stock or not args.stock)
    ]
    if not drills:
        print('no drill has such a name; they are:', *(d.name for d in harness.DRILLS), sep='\n  ')
        return 2
    print(
        f'{date.today()}, seed {seed}, Python {platform.python_version()}, torch '
        f'{torch.__version__}, mmengine {mmengine.__version__}'
    )
    start = time.monotonic()
    rows = []
    print('\n| drill | tried | survived | wanted |\n|---|---|---|---|', flush=True)
    with tempfile.TemporaryDirectory(prefix='drills-') as folder:
        harness.FOLDER = Path(folder)
        for drill in drills:
            tries = drill.short if args.short else drill.full
            if not tries:
                continue
            row = run(drill, tries, seed, harness.FOLDER)
            rows.append(row)
            skipped = row['skipped'] and f'skipped: {row["skipped"]}'
            print(
                f'| {row["drill"]} | {row["tried"]} | {skipped or row["survived"]} '
                f'| {row["tried"]} |',
                flush=True,
            )
    short = [row for row in rows if row['survived'] < row['tried']]
    print(f'\n{len(rows)} drills in {time.monotonic() - start:.0f} s, {len(short)} fall short')
    for row in short:
        print(f'\n{row["drill"]}:', *row['lost'], sep='\n  ')
    if args.json:
        args.json.write_text(json.dumps(dict(seed=seed, rows=rows), indent=2))
    return bool(short)


if __name__ == '__main__':
    sys.exit(main())
