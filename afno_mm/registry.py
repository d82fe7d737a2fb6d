"""Registries of scope ``afno_mm``: ``type='afno_mm.X'`` works in any OpenMMLab config.

MMEngine imports this module when a config names the scope. A registry imports its ``locations``
when it looks up a name. So a config needs no ``custom_imports``. Without MMEngine the registries
come from :mod:`afno_mm.plain`, and only mixers register.
"""

from contextlib import suppress
from typing import Any

from .plain import is_installed

if is_installed('mmengine'):
    from mmengine import registry as mmengine
    from mmengine.logging import print_log  # noqa: F401
else:
    from . import plain as mmengine
    from .plain import print_log  # noqa: F401

# Scopes in which a type is also looked up if the default scope is afno_mm. MMEngine's inferencers
# set this default scope to find configs by name.
FRAMEWORKS = ('mmseg', 'mmpretrain')


class _Registry(mmengine.Registry):
    def get(self, key: str) -> Any:
        scope = is_installed('mmengine') and mmengine.DefaultScope.get_current_instance()
        if '.' not in key and scope and scope.scope_name == 'afno_mm':
            for each in (key, *(f'{framework}.{key}' for framework in FRAMEWORKS)):
                with suppress(RuntimeError):  # MMEngine 0.10 raises it for an unknown name
                    if found := super().get(each):
                        return found
        return super().get(key)


def _child(name: str, parent: mmengine.Registry, *locations: str) -> mmengine.Registry:
    return _Registry(
        name, parent=parent, scope='afno_mm', locations=[f'afno_mm.{loc}' for loc in locations]
    )


MODELS = _child(
    'model',
    mmengine.MODELS,
    *('mixers', 'backbones', 'heads', 'tasks.inpainting_model', 'tasks.warm_start'),
)
MODEL_WRAPPERS = _child('model_wrapper', mmengine.MODEL_WRAPPERS, 'engine')
OPTIM_WRAPPERS = _child('optim_wrapper', mmengine.OPTIM_WRAPPERS, 'engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child(
    'optimizer wrapper constructor', mmengine.OPTIM_WRAPPER_CONSTRUCTORS, 'engine'
)
HOOKS = _child('hook', mmengine.HOOKS, 'engine', 'engine.safety', 'tasks.visualization')
DATASETS = _child('dataset', mmengine.DATASETS, 'datasets', 'engine.safety')
TRANSFORMS = _child('transform', mmengine.TRANSFORMS, 'datasets')
DATA_SAMPLERS = _child('data sampler', mmengine.DATA_SAMPLERS, 'engine.safety')
LOOPS = _child('loop', mmengine.LOOPS, 'engine.safety')
RUNNERS = _child('runner', mmengine.RUNNERS, 'engine.safety')
METRICS = _child('metric', mmengine.METRICS, 'evaluation')
# It stays empty. MMEngine warns about a default scope that lacks it.
FUNCTIONS = _child('function', mmengine.FUNCTIONS, 'registry')
VISBACKENDS = _child('vis_backend', mmengine.VISBACKENDS, 'engine.mlflow')
VISUALIZERS = _child('visualizer', mmengine.VISUALIZERS, 'tasks.visualization')
# MMEngine has no registry of tasks, so this one has no parent.
TASKS = mmengine.Registry('task', scope='afno_mm', locations=['afno_mm.tasks'])


def is_mmengine(kind: Any, name: str) -> bool:
    """Return whether a config's ``type`` is MMEngine's class of this name, or names it."""
    if isinstance(kind, type):
        return kind.__name__ == name and kind.__module__.startswith('mmengine.')
    return kind in (name, f'mmengine.{name}')


def type_name(kind: str | type) -> str:
    """Return a config's ``type`` without scope: 'FCNHead' for 'mmseg.FCNHead' or the class."""
    return (kind if isinstance(kind, str) else kind.__name__).split('.')[-1]
