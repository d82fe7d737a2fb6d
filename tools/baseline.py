"""Score the most frequent class of each pixel, the least that a trained model has to beat."""
import argparse

import afno_mm  # noqa: F401  names a broken environment before anything else fails
import mmengine
from afno_mm.evaluation.prior import (most_frequent_class, progress,
                                      score_constant_prediction)
from mmengine.config import Config, DictAction
from mmengine.registry import DATASETS, init_default_scope


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config of MMSegmentation, for its data sets')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='settings that replace those of the config')
    parser.add_argument('--beside', metavar='METRICS.json', help="print a model's mIoU beside it, "
                        'as written by tools/test.py --out-item metrics')
    return parser.parse_args()


def main():
    args = parse_args()
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    if cfg.get('default_scope') != 'mmseg':
        raise ValueError('this scores segmentation, so it takes a config of MMSegmentation; '
                         f"default_scope is {cfg.get('default_scope')!r}")
    init_default_scope(cfg.default_scope)
    train, val = (
        DATASETS.build({**loader.dataset, 'pipeline': [dict(type='LoadAnnotations')]})
        for loader in (cfg.train_dataloader, cfg.test_dataloader))
    print('counting the classes of each pixel')
    prediction = most_frequent_class(
        (item['gt_seg_map'] for item in progress(train)), len(train.metainfo['classes']))
    print('\nscoring')
    baseline = score_constant_prediction(prediction, val)
    print(f'\nmIoU on {len(val)} validation images')
    print(f"  most frequent class of each pixel in {len(train)} training images: "
          f"{baseline['mIoU']:.2f}")
    if args.beside:
        print(f"  the model: {mmengine.load(args.beside)['mIoU']:.2f}")


if __name__ == '__main__':
    main()
