"""Find the keys that each dict of a config may have, from the class that reads the dict."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from functools import lru_cache
from typing import Any, NamedTuple

from mmengine import registry as mm
from mmengine.dist import init_dist
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import DefaultScope, Registry
from mmengine.runner import Runner
from mmengine.utils.dl_utils import set_multi_processing
from torch import compile as torch_compile
from torch import nn
from torch.distributed import init_process_group
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.utils.data import DataLoader


class Place(NamedTuple):
    """A dict in a config.

    Attributes:
        path: Dotted path from the top, as in ``--cfg-options``.
        node: The dict itself.
        known: Keys that have an effect here.
        owner: Name of the class or dict that has these keys, for messages.
        closed: If True, any other key is an error. If False, only a key close to a known one is.
        types: Registered type names, to suggest one, if this dict's ``type`` is not registered.
            Else empty.
    """

    path: str
    node: Mapping[str, Any]
    known: frozenset[str]
    owner: str
    closed: bool = True
    types: frozenset[str] = frozenset()


def _taken_by(*functions):
    return frozenset().union(*(_signature(function)[0] for function in functions))


def _signature(function):
    """Return the names of a function's arguments, and True if it has no ``**kwargs``."""
    parameters = inspect.signature(function).parameters.values()
    names = {p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    return frozenset(names - {'self'}), not any(p.kind is p.VAR_KEYWORD for p in parameters)


@lru_cache(None)
def _arguments(kind):
    """Return :func:`_signature` of a class or function. ``**kwargs`` add the base's arguments."""
    if not inspect.isclass(kind):
        return _signature(kind)
    if kind.__name__ in OPEN:
        return frozenset(), False
    names = frozenset()
    initialisers = [vars(c).get('__init__') for c in kind.__mro__ if c not in (object, nn.Module)]
    for init in filter(inspect.isfunction, initialisers):
        more, closed = _signature(init)
        names |= more
        if closed:
            return names, True
    if issubclass(kind, MMEngineCheckpointHook):
        return names | _taken_by(Runner.save_checkpoint), True
    # All initialisers have **kwargs. nn.Module, the last base of a model, takes no arguments.
    return names, not any(initialisers) or issubclass(kind, nn.Module)


def _words(text):
    return frozenset(text.split())


# Top-level keys that have an effect: arguments of MMEngine's Runner, keys that MMEngine's Runner
# and upstream's tools look up in the config, and in the last line keys of this package.
TOP = _taken_by(Runner.__init__) | _words(
    'activation_checkpointing compile custom_imports efficient_conv_bn_eval fp16 '
    'find_unused_parameters model_wrapper_cfg runner_type strategy sync_bn tta_model tta_pipeline '
    'safety allowed_settings task'
)
# Variables from which config files commonly build their settings. They have no effect once the
# file is read.
PARTS = _words(
    'data_root dataset_type crop_size img_scale img_norm_cfg img_ratios norm_cfg bgr_mean bgr_std '
    'num_classes optimizer vis_backends checkpoint checkpoint_file custom_keys dataset_train '
    'dataset_aug query_dataloader gallery_dataloader'
)
PARAMWISE = _words(
    'custom_keys bias_lr_mult bias_decay_mult norm_decay_mult dwconv_decay_mult flat_decay_mult '
    'dcn_offset_lr_mult bypass_duplicate'
)
MULTIPLIERS = _words('lr_mult decay_mult fix_lr')  # fix_lr: of MMPretrain's SimSiamHook
LOADER = _taken_by(DataLoader.__init__) | _words('num_batch_per_epoch disable_subprocess_warning')
# Heads with base classes of MMDetection. Without MMDetection their arguments are unknown.
OPEN = ('MaskFormerHead', 'Mask2FormerHead')

# Key of a dict -> registries that have its types. A dict with another key uses its parent's.
REGISTRIES: dict[str, tuple[Registry, ...]] = {
    **dict.fromkeys(('model', 'data_preprocessor', 'tta_model'), (mm.MODELS, mm.TASK_UTILS)),
    **dict.fromkeys(('dataset', 'datasets'), (mm.DATASETS,)),
    **dict.fromkeys(('pipeline', 'transforms', 'train_pipeline', 'tta_pipeline'), (mm.TRANSFORMS,)),
    **dict.fromkeys(('val_evaluator', 'test_evaluator'), (mm.METRICS, mm.EVALUATOR)),
    **dict.fromkeys(('default_hooks', 'custom_hooks'), (mm.HOOKS,)),
    **dict.fromkeys(('train_cfg', 'val_cfg', 'test_cfg'), (mm.LOOPS,)),
    **dict.fromkeys(('sampler', 'batch_sampler'), (mm.DATA_SAMPLERS,)),
    **dict.fromkeys(('collate_fn', 'worker_init_fn'), (mm.FUNCTIONS,)),
    **dict.fromkeys(('train_dataloader', 'val_dataloader', 'test_dataloader'), (mm.DATASETS,)),
    'optim_wrapper': (mm.OPTIM_WRAPPERS,),
    'optimizer': (mm.OPTIMIZERS,),
    'param_scheduler': (mm.PARAM_SCHEDULERS,),
    'visualizer': (mm.VISUALIZERS,),
    'vis_backends': (mm.VISBACKENDS,),
    'log_processor': (mm.LOG_PROCESSORS,),
    'model_wrapper_cfg': (mm.MODEL_WRAPPERS,),
    'init_cfg': (mm.WEIGHT_INITIALIZERS,),
}
# Registry -> keys that its builder removes from the dict before it calls the class.
TAKEN_BEFORE: dict[Registry, frozenset[str]] = {
    mm.PARAM_SCHEDULERS: _words('convert_to_iter_based'),
    mm.HOOKS: _words('priority'),
    mm.VISUALIZERS: _words('name'),
    mm.MODELS: _words('requires_grad pretrained'),
    mm.TRANSFORMS: _words('magnitude_key'),
    mm.WEIGHT_INITIALIZERS: _words('override name min_match'),
}
DEFAULT_TYPES = {'val_cfg': 'ValLoop', 'test_cfg': 'TestLoop', 'log_processor': 'LogProcessor'}
# Key of a dict without a type -> its known keys. In CLOSED, any other key is an error.
CLOSED: dict[str, frozenset[str]] = {
    **{f'{name}_dataloader': LOADER for name in ('train', 'val', 'test')},
    'env_cfg': _words('cudnn_benchmark mp_cfg dist_cfg resource_limit'),
    'mp_cfg': _taken_by(set_multi_processing),
    'dist_cfg': _taken_by(init_dist, init_process_group),
    'randomness': _taken_by(Runner.set_randomness),
    'auto_scale_lr': _words('enable base_batch_size'),
    'compile': _taken_by(torch_compile) | {'target'},
    'clip_grad': _taken_by(clip_grad_norm_, clip_grad_value_) | {'type'},
}
# The same. In FREE, another key is an error only if it is close to a known one.
FREE: dict[str, frozenset[str]] = {
    'default_hooks': _words(
        'runtime_info timer sampler_seed logger param_scheduler checkpoint visualization'
    ),
    'data_prefix': _words('img_path img_path2 seg_map_path depth_map_path'),
    'metainfo': _words('classes palette'),
    'data_preprocessor': _words('mean std to_rgb to_onehot num_classes batch_augments pad_value'),
    'model.test_cfg': _words('mode crop_size stride'),
}


def places(cfg: Mapping[str, Any]) -> list[Place]:
    """Return a Place for each dict of a config that the Runner reads."""
    found = [Place('', cfg, TOP | PARTS, 'a config', False)]
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'mmengine'):
        for key in cfg:
            if key in TOP and (key in REGISTRIES or key in CLOSED):
                found += _walk(key, cfg[key], REGISTRIES.get(key, ()))
    return found


def _walk(path: str, node: Any, registries: tuple[Registry, ...]) -> Iterator[Place]:
    if isinstance(node, list | tuple):
        for number, item in enumerate(node):
            yield from _walk(f'{path}.{number}', item, registries)
    if not isinstance(node, Mapping):
        return
    if mm.OPTIM_WRAPPERS in registries and isinstance(node.get('optimizer'), Mapping):
        yield from _optim_wrapper(path, node, registries)
    else:
        yield _place(path, node, registries)
    for key, value in node.items():
        if str(key).startswith('_') or key in ('paramwise_cfg', 'custom_keys'):
            continue
        # Keep the registries at a model's pixel 'sampler' and at the hook 'param_scheduler'.
        is_part = mm.MODELS in registries and key != 'init_cfg'
        is_hook = mm.HOOKS in registries and key == 'param_scheduler'
        below = registries if is_part or is_hook else REGISTRIES.get(key, registries)
        yield from _walk(f'{path}.{key}', value, below)


def _place(path, node, registries):
    key = path.rpartition('.')[2]
    kind = node.get('type', DEFAULT_TYPES.get(path))
    if path == 'train_cfg' and 'type' not in node:
        kind = 'EpochBasedTrainLoop' if node.get('by_epoch', True) else 'IterBasedTrainLoop'
    if kind is None or key == 'clip_grad':
        known = CLOSED.get(key) or FREE.get(path) or FREE.get(key) or frozenset()
        return Place(path, node, known, path, key in CLOSED)
    if isinstance(kind, list):  # a mixer's type for each stage
        stages = [_place(path, {**node, 'type': one}, registries) for one in kind]
        known = frozenset().union(*(stage.known for stage in stages))
        return Place(path, node, known, path, all(stage.closed for stage in stages))
    if 'mixer' in path.split('.')[-2:] and isinstance(kind, str) and '.' not in kind:
        kind = f'afno_mm.{kind}'
    found = find_class(kind, registries)
    if found is None:
        return Place(path, node, frozenset(), str(kind), False, _types(kind, registries))
    known, closed = _arguments(found)
    before = [TAKEN_BEFORE.get(registry, frozenset()) for registry in registries]
    known = known.union({'type', 'by_epoch'} if path == 'train_cfg' else {'type'}, *before)
    return Place(path, node, known, getattr(found, '__name__', str(kind)), closed)


def _optim_wrapper(path, node, registries):
    wrapper = _place(path, {'type': 'OptimWrapper', **node}, registries)
    known = wrapper.known | _words('optimizer paramwise_cfg constructor')
    yield wrapper._replace(node=node, known=known)
    path, paramwise = f'{path}.paramwise_cfg', node.get('paramwise_cfg') or {}
    name = node.get('constructor', 'DefaultOptimWrapperConstructor')
    constructor = find_class(name, (mm.OPTIM_WRAPPER_CONSTRUCTORS,))
    if constructor is DefaultOptimWrapperConstructor:
        yield Place(path, paramwise, PARAMWISE, 'paramwise_cfg')
    elif constructor:
        yield Place(path, paramwise, PARAMWISE | _texts(constructor), constructor.__name__)
    optimizer = find_class(node['optimizer'].get('type'), (mm.OPTIMIZERS,))
    read = MULTIPLIERS
    if optimizer:
        read = read | _arguments(optimizer)[0] | _texts(optimizer)
    for name, options in (paramwise.get('custom_keys') or {}).items():
        if isinstance(options, Mapping):
            yield Place(f'{path}.custom_keys.{name}', options, read, 'an entry of custom_keys')


def _texts(kind):
    """Return the string constants in a class's code. They include the keys that it reads."""
    functions = [inspect.unwrap(f) for c in kind.__mro__ for f in vars(c).values() if callable(f)]
    constants = [c for f in functions if inspect.isfunction(f) for c in f.__code__.co_consts]
    return frozenset(c for c in constants if isinstance(c, str) and c.isidentifier())


def find_class(kind: Any, registries: tuple[Registry, ...]) -> Callable | None:
    """Return the class or function of a config's ``type``, or None if there is none."""
    if not isinstance(kind, str):
        return kind if callable(kind) else None
    for registry in registries:
        with _scoped(registry) as scoped:
            try:
                found = scoped.get(kind)
            except RuntimeError:  # MMEngine 0.10 raises it for an unknown name
                continue
        if found:
            return found
    return None


def _scoped(registry):
    # MMEngine looks for functions in its root registry.
    if registry is mm.FUNCTIONS:
        return nullcontext(registry)
    return registry.switch_scope_and_registry(None)


def _types(kind, registries):
    """Return the registered names. If ``kind`` is 'package.Name', only 'package.Other' names."""
    package, _, _ = kind.rpartition('.')
    names = set()
    for registry in registries:
        with _scoped(registry) as scoped:
            if package:
                scoped = scoped.root.children.get(package)
            while scoped is not None:  # an empty registry is falsy
                names.update(f'{package}.{n}' if package else n for n in scoped.module_dict)
                scoped = None if package else scoped.parent
    return frozenset(names)
