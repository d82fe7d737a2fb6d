"""Draw the spectra of tokens after AFNO's soft shrinkage, layer by layer: the paper's Fig. 6.

Each test image becomes a picture. The upper row shows the magnitude of each frequency, as a mean
over the channels. The lower row shows the share of values that are zero. Frequency zero is in the
middle. Frequencies that mode_fraction drops count as zeros. The command also prints the share of
zeros in each layer.
"""

import argparse
from pathlib import Path

import afno_mm  # reports a broken environment before anything else fails
from afno_mm.analysis import (
    images_of_test,
    pick_layers,
    run_layers,
    shrunk_spectrum,
    spectra_figure,
)
from afno_mm.command_line import Parser, config_argument
from afno_mm.engine import read_config
from afno_mm.engine.config import add_cfg_options
from mmengine.device import get_device


def parse_args() -> argparse.Namespace:
    example = 'afno-mm draw-spectra vit_afno_inpainting_demo epoch_10.pth --out spectra'
    parser = Parser(__doc__, example)
    add = parser.add_argument
    add('config', type=config_argument, help='config of a model with AFNO')
    add('checkpoint', help='its checkpoint')
    add('--out', required=True, help='folder for the pictures')
    images = 'test images (default: 0 1 2 3)'
    add('--images', type=int, nargs='+', default=[0, 1, 2, 3], metavar='I', help=images)
    add('--masked', action='store_true', help='mask the images, for inpainting models')
    layers = 'layers, from 1 (default: the first five)'
    add('--layers', type=int, nargs='+', metavar='L', help=layers)
    add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = read_config(args.config, args.cfg_options)
    model = afno_mm.from_pretrained(cfg, get_device(), args.checkpoint)
    Path(args.out).mkdir(parents=True, exist_ok=True)
    for path, image, picture in images_of_test(cfg, model, args.images, args.masked):
        layers = run_layers(model.backbone, image)
        picked = pick_layers(layers, args.layers or range(1, min(5, len(layers)) + 1))
        spectra = {
            number: tuple(plane.cpu().numpy() for plane in shrunk_spectrum(layer))
            for number, layer in picked.items()
        }
        file = Path(args.out, f'{Path(path).stem}.png')
        spectra_figure(picture, spectra).savefig(file, dpi=150)
        zeros = ', '.join(f'{number}: {share.mean():.1%}' for number, (_, share) in spectra.items())
        print(f'{file}: zeros in layer {zeros}', flush=True)


if __name__ == '__main__':
    main()
