"""Score what takes no training, the least that a trained model has to beat.

For segmentation the most frequent class of each pixel; for classification the most frequent class;
for inpainting the mean colour of the training images, the masked image as it is, and the masked
image filled with its mean colour.
"""

import argparse
from pathlib import Path

import afno_mm  # noqa: F401  names a broken environment before anything else fails
import mmengine
import numpy as np
from afno_mm.engine.runner import read_config, type_name
from afno_mm.evaluation.prior import (
    mean_colour,
    most_frequent_class,
    progress,
    score_constant_prediction,
    score_fillings,
)
from mmengine.config import DictAction
from mmengine.registry import DATASETS, init_default_scope


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config, for its data sets')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that replace those of the config, such as '
        'test_dataloader.dataset.indices=1000 for the first images only',
    )
    parser.add_argument(
        '--beside',
        nargs='+',
        default=[],
        metavar='METRICS.json',
        help='print the scores of models beside them, as written by '
        'tools/test.py --out-item metrics',
    )
    return parser.parse_args()


def models_scores(files):
    """Name of the model -> its scores; several are named after the folders of their files."""
    names = ['the model'] if len(files) == 1 else [str(Path(file).parent) for file in files]
    return {name: mmengine.load(file) for name, file in zip(names, files)}


def segmentation(cfg, models):
    train, val = (
        DATASETS.build({**loader.dataset, 'pipeline': [dict(type='LoadAnnotations')]})
        for loader in (cfg.train_dataloader, cfg.test_dataloader)
    )
    print('counting the classes of each pixel')
    prediction = most_frequent_class(
        (item['gt_seg_map'] for item in progress(train)), len(train.metainfo['classes'])
    )
    print('\nscoring')
    baseline = score_constant_prediction(prediction, val)
    print(f'\nmIoU on {len(val)} validation images')
    print(
        f'  most frequent class of each pixel in {len(train)} training images: '
        f'{baseline["mIoU"]:.2f}'
    )
    for name, scores in models.items():
        print(f'  {name}: {scores["mIoU"]:.2f}')


def classification(cfg, models):
    train, val = (
        DATASETS.build(loader.dataset).get_gt_labels()
        for loader in (cfg.train_dataloader, cfg.test_dataloader)
    )
    share = np.mean(val == np.bincount(train).argmax())
    print(f'top-1 accuracy on {len(val)} validation images')
    print(f'  most frequent class of {len(train)} training images: {100 * share:.2f}')
    for name, scores in models.items():
        print(f'  {name}: {scores["accuracy/top1"]:.2f}')


def inpainting(cfg, models):
    val = DATASETS.build(cfg.test_dataloader.dataset)
    # Training images as they are tested: random crops and flips do not change the mean.
    train = DATASETS.build(
        {**cfg.train_dataloader.dataset, 'pipeline': cfg.test_dataloader.dataset.pipeline}
    )
    print('averaging the training images')
    colour = mean_colour(item['inputs'] for item in progress(train))
    print('\nscoring')
    scores = score_fillings(colour, val, cfg.test_evaluator)
    scores.update(models)
    names = list(next(iter(scores.values())))
    width = max(map(len, scores))
    print(f'\n{len(val)} validation images, {len(train)} training images')
    print(' ' * width, *names, sep='  ')
    for what, score in scores.items():
        print(
            f'{what:{width}}',
            *(f'{score[name]:{len(name)}.{3 if name[:4] == "SSIM" else 2}f}' for name in names),
            sep='  ',
        )


def main():
    args = parse_args()
    cfg = read_config(args.config, args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    models = models_scores(args.beside)
    if cfg.get('default_scope') == 'mmseg':
        segmentation(cfg, models)
    elif type_name(cfg.model.type) == 'InpaintingModel':
        inpainting(cfg, models)
    elif type_name(cfg.model.type) == 'ImageClassifier':
        classification(cfg, models)
    else:
        raise ValueError(
            'this scores segmentation, classification and inpainting, got a config '
            f'with default_scope {cfg.get("default_scope")!r} and a {cfg.model.type}'
        )


if __name__ == '__main__':
    main()
