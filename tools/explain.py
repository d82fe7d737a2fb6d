"""Explain how a model processes an image, on one HTML page, with other models beside it.

    tools/explain.py CONFIG CHECKPOINT IMAGE
    tools/explain.py CONFIG CHECKPOINT IMAGE --compare CONFIG CHECKPOINT --at 64 128

The page shows the prediction, the receptive fields of single mixers and of the whole network at a
pixel, the spectra of AFNO, and clusters of tokens. The page needs no other file and no internet
connection. The test pipeline of each config resizes the image.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import afno_mm  # noqa: F401  reports a broken environment before anything else fails
from afno_mm.analysis.html_page import escape, write_html
from afno_mm.command_line import Parser
from afno_mm.engine.config import add_cfg_options
from look_inside.inputs import prepare, read_for, read_picture
from look_inside.models import Source, unique_names
from look_inside.sections import (
    STYLE,
    View,
    cluster_section,
    focus,
    mixer_section,
    models_table,
    prediction_section,
    receptive_section,
    spectrum_section,
    summary,
)
from mmengine.device import get_device


def parse_args() -> argparse.Namespace:
    example = 'afno-mm explain segformer_afno_b0_scenes CHECKPOINT IMAGE --at 64 128'
    parser = Parser(__doc__, example)
    add = parser.add_argument
    add('config', help='config file or name')
    add('checkpoint', help='its checkpoint')
    add('image', help='image file, of any size')
    compare = 'models to show beside the first, each as two files'
    add('--compare', nargs='+', default=[], metavar='CONFIG CHECKPOINT', help=compare)
    at = 'pixel to look from: row and column in the input of the first model, whose size is printed'
    at += ' (default: the centre). Several --at show several pixels'
    add('--at', type=int, nargs=2, action='append', metavar=('Y', 'X'), help=at)
    add('--names', nargs='+', help='names of the models on the page (default: of the configs)')
    page = 'the page (default: work_dirs/<name of the config>/explain_<name of the image>.html)'
    add('--out', type=Path, metavar='PAGE.html', help=page)
    add('--device', default=get_device(), help='cpu, cuda, cuda:1, ... (default: %(default)s)')
    add_cfg_options(parser)
    args = parser.parse_args()
    if len(args.compare) % 2:
        parser.error(
            f'--compare needs a config and a checkpoint each, got {len(args.compare)} names'
        )
    pairs = [(args.config, args.checkpoint), *zip(args.compare[::2], args.compare[1::2])]
    args.sources = [Source(Path(config).stem, config, checkpoint) for config, checkpoint in pairs]
    args.names = args.names or unique_names(args.sources)
    if len(set(args.names)) != len(pairs):
        parser.error(
            f'--names needs a name of its own for each of {len(pairs)} models, got '
            f'{" ".join(args.names)}'
        )
    default = Path('work_dirs', Path(args.config).stem, f'explain_{Path(args.image).stem}.html')
    args.out = args.out or default
    return args


def explain(args: argparse.Namespace) -> None:
    """Write the page.

    Raises:
        FileNotFoundError, ValueError: If a file is missing or cannot be used.
        IndexError: If a pixel is outside the image.
    """
    read_picture(args.image)  # raises before a model is loaded
    loaded = []
    for name, source in zip(args.names, args.sources):
        print(f'loading {name}', flush=True)
        model = source.load(args.device, args.cfg_options)
        loaded.append((name, model, prepare(model, read_for(model, args.image))))
    size = loaded[0][2].picture.shape[:2]
    print(f'the first model gets the image as {size[0]} rows of {size[1]} pixels')
    points = [tuple(point) for point in args.at or [(size[0] // 2, size[1] // 2)]]
    for y, x in points:
        if not (0 <= y < size[0] and 0 <= x < size[1]):
            raise IndexError(
                f'--at {y} {x} is outside the image that the first model gets: rows are 0 to '
                f'{size[0] - 1}, columns 0 to {size[1] - 1}'
            )
    views = [
        View(name, model, prepared, scaled(points[0], size, prepared.picture.shape), TimeLeft())
        for name, model, prepared in loaded
    ]
    close = focused(views, points[0], size)
    print('effective receptive field', flush=True)
    parts = [f'<p>Image: {escape(args.image)}.</p>', models_table(close), summary(close)]

    def add(title: str, make: Callable, seen: list[View], *arguments: str) -> None:
        print(title, flush=True)
        parts.append(make(seen, *arguments))

    add('prediction', prediction_section, views)
    for number, point in enumerate(points):
        around = close if number == 0 else focused(views, point, size)
        where = f', pixel {point[0]} {point[1]}' if len(points) > 1 else ''
        add(f'what one mixer sees{where}', mixer_section, around, where)
        add(f'effective receptive field{where}', receptive_section, around, where)
    add('spectra', spectrum_section, close)
    add('clusters of tokens', cluster_section, close)
    write_html(
        args.out,
        f'What {" and ".join(args.names)} look{"s" * (len(args.names) == 1)} at',
        parts,
        STYLE,
    )
    print(f'page: {args.out}')


def focused(views: list[View], point: tuple[int, ...], size: tuple) -> list[View]:
    """Move the views to another pixel ``point`` (y, x) of the first input, of ``size`` (H, W)."""
    return [
        focus(replace(v, at=scaled(point, size, v.prepared.picture.shape), fields=[]))
        for v in views
    ]


class TimeLeft:
    """Print the progress and the remaining time of a long step, every few seconds."""

    def __init__(self, seconds: float = 5.0) -> None:
        self.seconds = seconds
        self.start = self.said = 0.0

    def __call__(self, share: float, text: str) -> None:
        now = time.monotonic()
        if share == 0:
            self.start = self.said = now
        elif now - self.said >= self.seconds:
            left = (now - self.start) * (1 - share) / share
            print(f'  {share:4.0%}  {text}, about {left:.0f} s left', flush=True)
            self.said = now


def scaled(point: tuple[int, ...], size: tuple, other: tuple) -> tuple[int, int]:
    """Convert a pixel (y, x) of an image of ``size`` (H, W) to one of size ``other``."""
    return point[0] * other[0] // size[0], point[1] * other[1] // size[1]


def main() -> None:
    args = parse_args()
    warnings.simplefilter('ignore')  # from building the models
    try:
        explain(args)
    except (FileNotFoundError, IndexError, ValueError, RuntimeError, TypeError) as error:
        raise SystemExit(f'explain.py: {error}') from error


if __name__ == '__main__':
    main()
