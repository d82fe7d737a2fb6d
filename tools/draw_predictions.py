"""Draw predictions of segmentation models side by side: image, truth, and a column for each model.

    tools/draw_predictions.py CONFIG CHECKPOINT [CONFIG CHECKPOINT ...] --out FILE.jpg

If a model was trained with --cfg-options, give the config in its work dir: it contains them. Pixels
without a label are black. The test images are those of the first config.
"""

import argparse
from pathlib import Path

import afno_mm  # reports a broken environment before anything else fails
import mmcv
import numpy as np
import torch
from afno_mm.command_line import Parser, config_arguments
from afno_mm.engine import read_config
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import DATASETS, init_default_scope


def parse_args() -> argparse.Namespace:
    example = 'afno-mm draw-predictions segformer_afno_b0_scenes CHECKPOINT --out predictions.jpg'
    parser = Parser(__doc__, example)
    add = parser.add_argument
    add('models', nargs='+', metavar='CONFIG CHECKPOINT', help='each model, as two files')
    add('--out', required=True, help='the picture: a .jpg or .png file')
    add('--names', nargs='+', help='titles of the columns (default: names of the configs)')
    images = 'test images, from 0: a row for each (default: 0 1 2)'
    add('--images', type=int, nargs='+', default=[0, 1, 2], metavar='I', help=images)
    args = parser.parse_args()
    if len(args.models) % 2:
        parser.error(f'each model has a config and a checkpoint, got {" ".join(args.models)}')
    args.configs = config_arguments(parser, args.models[::2])
    args.checkpoints = args.models[1::2]
    args.names = args.names or [Path(config).stem for config in args.configs]
    if len({*args.names, 'image', 'truth'}) != len(args.configs) + 2:
        parser.error(
            f'--names needs a name of its own for each of {len(args.configs)} models, got '
            f'{" ".join(args.names)}'
        )
    return args


def predict(cfg: Config, checkpoint: str, samples: list[dict]) -> list[np.ndarray]:
    """Return the predicted classes ``(H, W)`` of each sample, at the size of its image file."""
    model = afno_mm.from_pretrained(cfg, get_device(), checkpoint)
    predictions = []
    for sample in samples:
        batch = dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']])
        with torch.no_grad():
            (result,) = model.test_step(batch)
        predictions.append(result.pred_sem_seg.data[0].cpu().numpy())
    return predictions


def colour(image: np.ndarray, labels: np.ndarray, palette: list) -> np.ndarray:
    """Blend the colours of labels ``(H, W)`` into an image ``(H, W, 3)``, uint8 RGB."""
    colours = np.array([*palette, (0, 0, 0)])[np.minimum(labels, len(palette))]
    return (image * 0.35 + colours * 0.65).astype(np.uint8)


def draw(columns: dict[str, list[np.ndarray]]) -> Figure:
    """Return a figure with a column of pictures for each name."""
    height, width = next(iter(columns.values()))[0].shape[:2]
    rows, cell = max(map(len, columns.values())), 3.2  # inches
    size = len(columns) * cell, rows * cell * height / width + 0.3
    figure = Figure(figsize=size, layout='constrained')
    axes = figure.subplots(rows, len(columns), squeeze=False)
    for column, (name, pictures) in zip(axes.T, columns.items()):
        column[0].set_title(name)
        for cell_axes, picture in zip(column, pictures):
            cell_axes.imshow(picture)
            cell_axes.set_axis_off()
    return figure


def main() -> None:
    args = parse_args()
    configs = [read_config(config) for config in args.configs]
    init_default_scope(configs[0].get('default_scope', 'mmengine'))
    dataset = DATASETS.build(configs[0].test_dataloader.dataset)
    wrong = [index for index in args.images if not 0 <= index < len(dataset)]
    if wrong:
        raise IndexError(
            f'image {wrong[0]} was asked for, the test set has images 0 to {len(dataset) - 1}: '
            'choose from them by --images'
        )
    samples = [dataset[index] for index in args.images]
    truths = [sample['data_samples'] for sample in samples]
    images = [mmcv.imread(truth.img_path, channel_order='rgb') for truth in truths]
    labels = {'truth': [truth.gt_sem_seg.data[0].numpy() for truth in truths]}
    for name, cfg, checkpoint in zip(args.names, configs, args.checkpoints):
        labels[name] = predict(cfg, checkpoint, samples)
    palette = dataset.metainfo['palette']
    columns = {'image': images} | {
        name: [colour(image, label, palette) for image, label in zip(images, found)]
        for name, found in labels.items()
    }
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    draw(columns).savefig(args.out, dpi=100)
    print(args.out)


if __name__ == '__main__':
    main()
