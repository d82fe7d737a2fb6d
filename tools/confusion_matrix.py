"""Draw the confusion matrix of a segmentation model from the predictions of a test.

    python tools/test.py CONFIG CHECKPOINT --cfg-options test_evaluator.0.output_dir=predictions
    python tools/confusion_matrix.py CONFIG predictions FOLDER

This runs MMSegmentation's own script, with its arguments, but counts the pixels itself:
MMSegmentation 1.4.2 adds class ids in 8 bits, so its matrix is wrong for more than 16 classes.
"""

import sys
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import afno_mm  # noqa: F401  reports a broken environment before anything else fails
import mmseg
import numpy as np
from afno_mm.command_line import Parser, config_argument
from mmengine.utils import track_iter_progress


def count(dataset: Any, results: list[np.ndarray], names: list[str]) -> np.ndarray:
    """Return the number of pixels by true class (rows) and predicted class (columns).

    ``names`` are the names of the predictions' files, without suffix. They are those of the images.
    """
    if len(dataset) != len(results):
        raise SystemExit(f'{len(results)} predictions, but the dataset has {len(dataset)} images')
    number = len(dataset.metainfo['classes'])
    matrix = np.zeros((number, number))
    predictions = dict(zip(names, results))
    for index in track_iter_progress(range(len(dataset)), file=sys.stdout):
        image = Path(dataset.get_data_info(index)['img_path'])
        if image.stem not in predictions:
            raise SystemExit(f'there is no prediction {image.stem}.png for the image {image}')
        result = predictions[image.stem]
        truth = dataset[index]['data_samples'].gt_sem_seg.data.squeeze().numpy().astype(int)
        # With reduce_zero_label the files have ids from 1.
        predicted = result.astype(int) - bool(dataset.reduce_zero_label)
        counted = truth != dataset.ignore_index
        pairs = number * truth[counted] + predicted[counted]
        matrix += np.bincount(pairs, minlength=number**2).reshape(number, number)
    return matrix


def parse_args() -> list[str]:
    """Return the arguments for MMSegmentation's script."""
    example = 'afno-mm confusion-matrix segformer_afno_b0_scenes predictions matrix'
    parser = Parser(__doc__, example)
    parser.add_argument('config', type=config_argument, help='config file or name')
    parser.add_argument('predictions', help='folder with the predictions of tools/test.py')
    parser.add_argument('folder', help='where to write the picture')
    parser.epilog += '\n\nOther options go to the script: --show, --title, --color-theme'
    args, others = parser.parse_known_args()
    return [args.config, args.predictions, args.folder, *others]


def main() -> None:
    sys.argv[1:] = parse_args()
    path = Path(mmseg.__file__).parent / '.mim/tools/analysis_tools/confusion_matrix.py'
    spec = spec_from_file_location('mmseg_confusion_matrix', path)
    assert spec and spec.loader
    script: Any = module_from_spec(spec)
    spec.loader.exec_module(script)
    # The script reads the files in this order, the dataset may have another one.
    names = [file.stem for file in sorted(Path(sys.argv[2]).glob('*'))]
    if not names:
        raise SystemExit(
            f'{sys.argv[2]} has no predictions. Make them first: tools/test.py CONFIG CHECKPOINT '
            f'--cfg-options test_evaluator.0.output_dir={sys.argv[2]}'
        )
    script.calculate_confusion_matrix = partial(count, names=names)
    script.main()


if __name__ == '__main__':
    main()
