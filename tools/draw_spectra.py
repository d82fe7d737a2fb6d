"""Draw what AFNO's shrinkage leaves of the spectra of tokens, layer by layer: the paper's Fig. 6.

Each test image becomes a picture: the mean magnitude of its spectrum over the channels, and below
the share of values that are zero, for each frequency, with frequency zero in the middle. The share
of each layer is printed too. Frequencies that mode_fraction drops count as zeros.
"""

import argparse
from pathlib import Path

import afno_mm  # noqa: F401  names a broken environment before anything else fails
from afno_mm.analysis import (
    images_of_test,
    run_layers,
    shrunk_spectrum,
    spectra_figure,
    trained_model,
)
from afno_mm.engine import read_config
from mmengine.config import DictAction
from mmengine.device import get_device


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of a model with AFNO')
    parser.add_argument('checkpoint', help='its checkpoint')
    parser.add_argument('--out', required=True, help='folder for the pictures')
    parser.add_argument(
        '--images',
        type=int,
        nargs='+',
        default=[0, 1, 2, 3],
        metavar='I',
        help='which test images (default: 0 1 2 3)',
    )
    parser.add_argument(
        '--masked', action='store_true', help='with the masks of inpainting (default: whole images)'
    )
    parser.add_argument(
        '--layers',
        type=int,
        nargs='+',
        metavar='L',
        help='which layers, from 1 (default: the first five)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that replace those of the config',
    )
    return parser.parse_args()


def main():
    args = parse_args()
    cfg = read_config(args.config, args.cfg_options)
    model = trained_model(cfg, args.checkpoint, get_device())
    Path(args.out).mkdir(parents=True, exist_ok=True)
    for path, inputs, picture in images_of_test(cfg, model, args.images, args.masked):
        layers = run_layers(model.backbone, inputs)
        spectra = {}
        for number in args.layers or range(1, min(5, len(layers)) + 1):
            if not 1 <= number <= len(layers):
                raise IndexError(
                    f'layer {number} was asked for by --layers, the model has layers '
                    f'1 to {len(layers)}'
                )
            spectra[number] = [plane.cpu().numpy() for plane in shrunk_spectrum(layers[number - 1])]
        file = Path(args.out, f'{Path(path).stem}.png')
        spectra_figure(picture, spectra).savefig(file, dpi=150)
        zeros = ', '.join(f'{number}: {share.mean():.1%}' for number, (_, share) in spectra.items())
        print(f'{file}: zeros in layer {zeros}', flush=True)


if __name__ == '__main__':
    main()
