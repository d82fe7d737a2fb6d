"""Draw the clusters of tokens after the layers of one or several models: the paper's Fig. 5.

Each test image becomes a picture in the folder --out, with a column for each model.
"""

import argparse
from pathlib import Path

import afno_mm  # reports a broken environment before anything else fails
from afno_mm.analysis import (
    clusters_figure,
    images_of_test,
    layer_clusters,
    pick_layers,
    run_layers,
)
from afno_mm.command_line import Parser, config_arguments
from afno_mm.engine import read_config
from afno_mm.engine.config import add_cfg_options
from mmengine.device import get_device


def parse_args() -> argparse.Namespace:
    example = 'afno-mm draw-clusters vit_afno_inpainting_demo epoch_10.pth --out clusters'
    parser = Parser(__doc__, example)
    add = parser.add_argument
    add('models', nargs='+', metavar='CONFIG CHECKPOINT', help='each model, as two files')
    add('--out', required=True, help='folder for the pictures')
    add('--names', nargs='+', help='titles of the columns (default: names of the configs)')
    images = 'test images of the first config (default: 0 1 2 3)'
    add('--images', type=int, nargs='+', default=[0, 1, 2, 3], metavar='I', help=images)
    add('--masked', action='store_true', help='mask the images, for inpainting models')
    layers = 'layers, from 1 (default: every second; layers of many tokens take minutes each)'
    add('--layers', type=int, nargs='+', metavar='L', help=layers)
    add('--clusters', type=int, default=4, help='number of clusters (default: 4)')
    add('--neighbors', type=int, default=10, help='nearest neighbours of a token (default: 10)')
    add_cfg_options(parser)
    args = parser.parse_args()
    if len(args.models) % 2:
        parser.error(f'each model has a config and a checkpoint, got {" ".join(args.models)}')
    args.configs = config_arguments(parser, args.models[::2])
    args.checkpoints = args.models[1::2]
    args.names = args.names or [Path(config).stem for config in args.configs]
    if len(set(args.names)) != len(args.configs):
        parser.error(
            f'--names needs a name of its own for each of {len(args.configs)} models, got '
            f'{" ".join(args.names)}'
        )
    return args


def main() -> None:
    args = parse_args()
    models, images = {}, []
    for name, config, checkpoint in zip(args.names, args.configs, args.checkpoints):
        cfg = read_config(config, args.cfg_options)
        models[name] = model = afno_mm.from_pretrained(cfg, get_device(), checkpoint)
        images.append(images_of_test(cfg, model, args.images, args.masked))
    Path(args.out).mkdir(parents=True, exist_ok=True)
    for index, inputs in zip(args.images, zip(*images)):
        file, _, picture = inputs[0]
        clusters: dict = {}
        for (name, model), (path, image, _) in zip(models.items(), inputs):
            if path != file:
                raise ValueError(
                    f'image {index} is {file} in one test set and {path} in '
                    'another: give configs of the same data'
                )
            layers = run_layers(model.backbone, image)
            picked = pick_layers(layers, args.layers or range(2, len(layers) + 1, 2) or [1])
            first = next(iter(clusters.values()), {})
            clusters[name] = layer_clusters(picked, first, args.clusters, args.neighbors)
        drawing = Path(args.out, f'{Path(file).stem}.png')
        clusters_figure(picture, clusters).savefig(drawing, dpi=150)
        print(drawing, flush=True)


if __name__ == '__main__':
    main()
