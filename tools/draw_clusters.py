"""Draw the clusters that tokens form after the layers of one or several models: the paper's Fig. 5.

    tools/draw_clusters.py CONFIG CHECKPOINT [CONFIG CHECKPOINT ...] --out FOLDER

Each test image becomes a picture in FOLDER, with a column for each model.
"""

import argparse
from pathlib import Path

import afno_mm  # noqa: F401  names a broken environment before anything else fails
from afno_mm.analysis import (
    clusters_figure,
    images_of_test,
    renumbered,
    run_layers,
    token_clusters,
    trained_model,
)
from afno_mm.engine import read_config
from mmengine.config import DictAction
from mmengine.device import get_device


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'models', nargs='+', metavar='CONFIG CHECKPOINT', help='config and checkpoint of each model'
    )
    parser.add_argument('--out', required=True, help='folder for the pictures')
    parser.add_argument('--names', nargs='+', help='titles of the columns (default: the configs)')
    parser.add_argument(
        '--images',
        type=int,
        nargs='+',
        default=[0, 1, 2, 3],
        metavar='I',
        help='which test images of the first config (default: 0 1 2 3)',
    )
    parser.add_argument(
        '--masked', action='store_true', help='with the masks of inpainting (default: whole images)'
    )
    parser.add_argument(
        '--layers',
        type=int,
        nargs='+',
        metavar='L',
        help='which layers, from 1 (default: every second; many tokens, as in the '
        'first stage of a large image, take minutes each)',
    )
    parser.add_argument('--clusters', type=int, default=4, help='number of clusters (default: 4)')
    parser.add_argument(
        '--neighbors',
        type=int,
        default=10,
        help='nearest neighbours that a token is linked to (default: 10)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that replace those of the configs',
    )
    args = parser.parse_args()
    if len(args.models) % 2:
        parser.error(f'each model has a config and a checkpoint, got {" ".join(args.models)}')
    args.configs, args.checkpoints = args.models[::2], args.models[1::2]
    args.names = args.names or [Path(config).stem for config in args.configs]
    if len(set(args.names)) != len(args.configs):
        parser.error(
            f'--names needs a name of its own for each of {len(args.configs)} models, got '
            f'{" ".join(args.names)}'
        )
    return args


def clusters_of(layers, first, args):
    """Clusters by the numbers of the layers.

    They are numbered as those of the first model in the same layer, and of that model as those in
    the layer before.
    """
    numbers = args.layers or range(2, len(layers) + 1, 2) or [1]
    clusters, previous = {}, None
    for number in numbers:
        if not 1 <= number <= len(layers):
            raise IndexError(
                f'layer {number} was asked for by --layers, the model has layers 1 to {len(layers)}'
            )
        tokens = layers[number - 1].tokens[0].float().cpu().numpy()
        labels = token_clusters(tokens, args.clusters, args.neighbors)
        like = first.get(number, previous)
        clusters[number] = previous = labels if like is None else renumbered(labels, like)
    return clusters


def main():
    args = parse_args()
    models, images = {}, []
    for name, config, checkpoint in zip(args.names, args.configs, args.checkpoints):
        cfg = read_config(config, args.cfg_options)
        models[name] = model = trained_model(cfg, checkpoint, get_device())
        images.append(images_of_test(cfg, model, args.images, args.masked))
    Path(args.out).mkdir(parents=True, exist_ok=True)
    for index, same in zip(args.images, zip(*images)):
        file, _, picture = same[0]
        clusters = {}
        for (name, model), (path, inputs, _) in zip(models.items(), same):
            if path != file:
                raise ValueError(
                    f'image {index} is {file} in one test set and {path} in '
                    'another: give configs of the same data'
                )
            first = next(iter(clusters.values()), {})
            clusters[name] = clusters_of(run_layers(model.backbone, inputs), first, args)
        drawing = Path(args.out, f'{Path(file).stem}.png')
        clusters_figure(picture, clusters).savefig(drawing, dpi=150)
        print(drawing, flush=True)


if __name__ == '__main__':
    main()
