"""Write model-index.yml and configs/metafile_*.yml from the configs.

mim, MMEngine and MMPretrain find configs by name in these files. Run this command after each change
of a config. All facts come from the configs and from their headers.
"""

import re
from pathlib import Path

import afno_mm  # noqa: F401  reports a broken environment before anything else fails
import yaml
from afno_mm.command_line import Parser
from afno_mm.names import INDEX, root_folder
from afno_mm.registry import type_name
from afno_mm.tasks import task_of
from mmengine.config import Config

HEADER = '# tools/write_model_index.py writes this file from the configs. Do not edit it.\n'
# Mixer or network in the name of a config -> name of the collection, and the paper behind it.
COLLECTIONS = {
    'afno': ('AFNO', 'https://arxiv.org/abs/2111.13587'),
    'static': ('StaticAFNO', 'https://arxiv.org/abs/2111.13587'),
    'gfn': ('GFN', 'https://arxiv.org/abs/2107.00645'),
    'fno': ('FNO', 'https://arxiv.org/abs/2010.08895'),
    'ls': ('LS', 'https://arxiv.org/abs/2107.02192'),
    'esa': ('ESA', 'https://arxiv.org/abs/2105.15203'),
    'sa': ('SA', 'https://arxiv.org/abs/2010.11929'),
    'swin': ('Swin', 'https://arxiv.org/abs/2103.14030'),
    'deeplabv3plus': ('DeepLabV3+', 'https://arxiv.org/abs/1802.02611'),
}
TASKS = {
    'segmentation': 'Semantic Segmentation',
    'classification': 'Image Classification',
    'inpainting': 'Image Inpainting',
}
# Unit of a number in the headers -> name of the metric in model zoos.
METRICS = {
    'mIoU': 'mIoU',
    '% top-1': 'Top 1 Accuracy',
    '% top-5': 'Top 5 Accuracy',
    'dB PSNR': 'PSNR',
    'SSIM': 'SSIM',
}
# Pattern in a header -> source of its numbers, for the metafile. The first match counts.
SOURCES = {
    r"MMSegmentation's model zoo": "reported by MMSegmentation's model zoo, not measured here",
    r"the paper's numbers?": 'reported in the paper, not measured here',
    r'(?<!not )measured by us': 'measured here',
}
DATASETS = {
    'scenes': 'generated street scenes',
    'images': 'generated images',
    'inpainting_demo': 'generated images',
    'inpainting_study': 'generated images',
    'faces_demo': 'generated faces',
    'cityscapes': 'Cityscapes',
    'imagenet': 'ImageNet-1k',
    'inpainting': 'ImageNet-1k',
    'faces': 'CelebA-Faces',
    'cars': 'ADE-Cars',
    'cats': 'LSUN-Cats',
}


def collection_of(name: str) -> str:
    """Return the key of ``COLLECTIONS`` for the name of a config."""
    first, second = name.split('_')[:2]
    words = re.sub('afno(25|35)|hybrid', 'afno', second), first
    # The second word is the mixer, as in vit_afno_scenes. Without a mixer, take the first word.
    return next(word for word in words if word in COLLECTIONS)


def header_of(path: Path) -> str:
    """Return the comment above the first setting, on one line."""
    lines = path.read_text(encoding='utf-8').partition('\n_base_')[0].splitlines()
    return ' '.join(line.lstrip('# ') for line in lines if line.startswith('#'))


def results_of(header: str) -> tuple[dict[str, float], str] | None:
    """Return the expected metrics and their source, or None if a header has no number.

    A range, as in '49 to 57 % top-1', does not count as a number.
    """
    expect = re.search(r'Expect: (.*?)(?= Parameters:|$)', header)
    if not expect or expect[1].startswith(('no number', 'docs/')):
        return None
    known = (text for key, text in SOURCES.items() if re.search(key, expect[1], re.IGNORECASE))
    source = next(known, None)
    sentence = re.split(r';|\.(?= |$)', expect[1])[0]
    metrics = {
        METRICS[unit]: float(number)
        for number, unit in re.findall(
            rf'(?<!to )((?<![\w.])\d*\.?\d+) ({"|".join(METRICS)})', sentence
        )
    }
    return (metrics, source) if metrics and source else None


def model_of(path: Path) -> tuple[str, dict]:
    """Return the task of a config, and the config's entry in the metafile of this task."""
    cfg, header, name = Config.fromfile(path), header_of(path), path.stem
    task = next(key for key in TASKS if task_of(cfg).__class__.__name__.lower().startswith(key))
    dataset = next(text for word, text in DATASETS.items() if name.endswith(word))
    backbone = cfg.model.backbone
    mixers = backbone.get('mixer') or []
    mixers = mixers if isinstance(mixers, list) else [mixers]
    head = cfg.model.get('decode_head') or cfg.model.get('head') or {}
    parts = [backbone.type, *(mixer.type for mixer in mixers if mixer), head.get('type')]
    metadata: dict = {'Training Data': dataset}
    metadata['Architecture'] = list(dict.fromkeys(type_name(part) for part in parts if part))
    if parameters := re.search(r'Parameters: ([\d.]+)M', header):
        metadata['Parameters'] = round(float(parameters[1]) * 1e6)
    if 'max_epochs' in cfg.train_cfg:
        metadata['Epochs'] = cfg.train_cfg.max_epochs
    if 'auto_scale_lr' in cfg:
        metadata['Batch Size'] = cfg.auto_scale_lr.base_batch_size
    result: dict = {'Task': TASKS[task], 'Dataset': dataset, 'Metrics': {}}
    if found := results_of(header):
        result['Metrics'], metadata['Source of Results'] = found
    else:
        metadata['Source of Results'] = 'no number'
    return task, {
        'Name': name,
        'In Collection': COLLECTIONS[collection_of(name)][0],
        'Config': f'configs/{path.name}',
        'Metadata': metadata,
        'Results': [result],
        'Weights': None,  # MMEngine needs the key. No weights are published yet.
    }


def model_index(root: Path) -> dict[str, str]:
    """Return the text of each file, by its path below ``root``."""
    models: dict[str, list[dict]] = {task: [] for task in TASKS}
    for path in sorted(root.glob('configs/*.py')):
        task, model = model_of(path)
        models[task].append(model)
    files = {}
    for task, entries in models.items():
        used = {entry['In Collection'] for entry in entries}
        collections = [
            {'Name': name, 'Paper': url} for name, url in COLLECTIONS.values() if name in used
        ]
        metafile = {'Collections': collections, 'Models': entries}
        text = yaml.safe_dump(metafile, sort_keys=False, allow_unicode=True, width=100)
        files[f'configs/metafile_{task}.yml'] = HEADER + text
    files[INDEX] = HEADER + yaml.safe_dump({'Import': sorted(files)})
    return files


def main() -> None:
    example = 'python tools/write_model_index.py'
    Parser(__doc__, example).parse_args()
    for name, text in model_index(root_folder()).items():
        (root_folder() / name).write_text(text, encoding='utf-8')
        print(root_folder() / name)


if __name__ == '__main__':
    main()
