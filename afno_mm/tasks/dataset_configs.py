"""Configs of datasets, and of wrappers such as RepeatDataset and ConcatDataset."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from mmengine.config import ConfigDict
from mmengine.registry import DATASETS
from torch.utils.data import ConcatDataset


def nested_datasets(cfg: Any) -> Iterator[Any]:
    """Yield a dataset's config, and the configs of all datasets that it wraps."""
    yield cfg
    for wrapped in (cfg.get('dataset'), *(cfg.get('datasets') or ())):
        if wrapped:
            yield from nested_datasets(wrapped)


def bare_datasets(cfg: Any) -> list[Any]:
    """Return the configs of the datasets that a wrapper wraps, or of the dataset itself."""
    every = nested_datasets(cfg)
    return [one for one in every if not (one.get('dataset') or one.get('datasets'))]


def with_pipeline(cfg: ConfigDict, pipeline: Sequence[Any]) -> ConfigDict:
    """Return a copy of a dataset's config in which all datasets have this pipeline."""
    cfg = deepcopy(cfg)
    for dataset in bare_datasets(cfg):
        dataset['pipeline'] = pipeline
    return cfg


def unwrapped(cfg: ConfigDict, pipeline: Sequence[Any]) -> ConcatDataset:
    """Build the datasets that a wrapper such as RepeatDataset wraps, each once, as one dataset."""
    return ConcatDataset(map(DATASETS.build, bare_datasets(with_pipeline(cfg, pipeline))))


def test_dataset(cfg: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of a config's test data. In a wrapper, they are those of the first."""
    return bare_datasets((cfg.get('test_dataloader') or {}).get('dataset') or {})[0]


def dataset_meta(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metainfo of a config's test data, without reading data: classes and palette."""
    dataset = test_dataset(cfg)
    # Registry.get ignores the default scope, unlike build.
    with DATASETS.switch_scope_and_registry(cfg.get('default_scope')) as datasets:
        cls = datasets.get(dataset['type']) if 'type' in dataset else None
    own, given = getattr(cls, 'METAINFO', {}), dict(dataset.get('metainfo') or {})
    if isinstance(given.get('classes'), str):  # the name of a file
        del given['classes']
    meta = {**own, **{key: value for key, value in given.items() if value}}
    if 'classes' in given and 'palette' in own and 'palette' not in given:
        colours = dict(zip(own.get('classes', ()), own['palette']))
        meta['palette'] = [colours.get(name) for name in given['classes']]
        if None in meta['palette']:
            del meta['palette']
    return meta
