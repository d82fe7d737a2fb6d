"""Registries of scope ``afno_mm``: ``type='afno_mm.X'`` works in any OpenMMLab config.

MMEngine imports this module when a config names the scope. A registry imports its locations when
it looks up a name. A config therefore needs no ``custom_imports``. Without MMEngine the registries
are those of :mod:`afno_mm.plain`, and only mixers register.
"""

from .plain import is_installed

if is_installed('mmengine'):
    from mmengine import registry as mmengine
    from mmengine.logging import print_log
else:
    from . import plain as mmengine
    from .plain import print_log

__all__ = ['DATASETS', 'DATA_SAMPLERS', 'HOOKS', 'LOOPS', 'METRICS', 'MODELS', 'MODEL_WRAPPERS']
__all__ += ['OPTIM_WRAPPERS', 'RUNNERS', 'TASKS', 'TRANSFORMS', 'VISUALIZERS', 'print_log']
__all__ += ['type_name']


def _child(name: str, parent: mmengine.Registry, *locations: str) -> mmengine.Registry:
    return mmengine.Registry(
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
VISUALIZERS = _child('visualizer', mmengine.VISUALIZERS, 'tasks.visualization')
# MMEngine has no registry of tasks, so this one has no parent.
TASKS = mmengine.Registry('task', scope='afno_mm', locations=['afno_mm.tasks'])


def type_name(kind: str | type) -> str:
    """Return the bare name of a config's ``type``: 'FCNHead' of 'mmseg.FCNHead' or of the class."""
    return (kind if isinstance(kind, str) else kind.__name__).split('.')[-1]
