"""Registries of scope ``afno_mm``: ``type='afno_mm.X'`` works in any OpenMMLab config.

MMEngine imports this module when it meets the scope, and the locations when it looks
for a name. So a config needs no ``custom_imports``.
"""

from mmengine import registry as mmengine


def _child(name: str, parent: mmengine.Registry, *locations: str) -> mmengine.Registry:
    return mmengine.Registry(
        name, parent=parent, scope='afno_mm', locations=[f'afno_mm.{loc}' for loc in locations]
    )


MODELS = _child('model', mmengine.MODELS, 'mixers', 'backbones', 'heads', 'tasks')
MODEL_WRAPPERS = _child('model_wrapper', mmengine.MODEL_WRAPPERS, 'engine')
OPTIM_WRAPPERS = _child('optim_wrapper', mmengine.OPTIM_WRAPPERS, 'engine')
HOOKS = _child('hook', mmengine.HOOKS, 'engine', 'engine.drawing')
DATASETS = _child('dataset', mmengine.DATASETS, 'datasets')
TRANSFORMS = _child('transform', mmengine.TRANSFORMS, 'datasets')
METRICS = _child('metric', mmengine.METRICS, 'evaluation')
VISUALIZERS = _child('visualizer', mmengine.VISUALIZERS, 'engine.drawing')
