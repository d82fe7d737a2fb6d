"""Layer-wise decay of the learning rate: the earlier a layer, the lower its rate."""

from typing import Any

from mmengine import registry as mmengine
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from ..registry import OPTIM_WRAPPER_CONSTRUCTORS


# In MMPretrain's scope the bare name is MMPretrain's own class; MMSegmentation has no such name.
@mmengine.OPTIM_WRAPPER_CONSTRUCTORS.register_module()
@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LearningRateDecayOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Multiply the learning rate of each parameter by ``rate ** (last - depth)``.

    MMPretrain's constructor of this name needs a model with ``get_layer_depth``, which
    MMSegmentation's have not, and MMSegmentation's knows ConvNeXt, BEiT and MAE alone. This one
    asks the backbone's ``get_layer_depth``. The first patch embedding has depth 0, block i depth
    i + 1, and what follows the backbone has the last depth and the full rate.

    ``paramwise_cfg`` takes the keys of MMEngine's constructor, ``lr_mult`` included, and:

    * ``layer_decay_rate`` or ``decay_rate``: the rate, under MMPretrain's or MMSegmentation's name;
    * ``decay_type``: 'layer_wise', MMSegmentation's other types are refused;
    * ``num_layers``: the number of blocks, which is only compared with the backbone's.

    Raises:
        ValueError: If a setting is missing or does not fit the backbone.
    """

    def add_params(
        self, params: list[dict], module: nn.Module, prefix: str = '', is_dcn_module: Any = None
    ) -> None:
        super().add_params(params, module, prefix, is_dcn_module)
        if prefix:
            return  # only a part of the model
        settings = self.paramwise_cfg
        # The check of settings reads the names of the keys from these calls.
        rates = settings.get('layer_decay_rate'), settings.get('decay_rate')
        rate = rates[0] if rates[1] is None else rates[1]
        kind = settings.get('decay_type', 'layer_wise')
        backbone: Any = getattr(module, 'backbone', None)
        if rates.count(None) != 1 or kind not in ('layer_wise', 'layer_wise_vit'):
            raise ValueError(
                'layer-wise decay needs paramwise_cfg.layer_decay_rate or .decay_rate, not both, '
                f"and decay_type='layer_wise'. Got {settings}"
            )
        if not hasattr(backbone, 'get_layer_depth'):
            raise ValueError(
                f'layer-wise decay needs a backbone with get_layer_depth, as those of afno_mm and '
                f'of MMPretrain have: {type(backbone).__name__} has none'
            )
        names = {id(parameter): name for name, parameter in module.named_parameters()}
        for group in params:
            name = names[id(group['params'][0])]
            depth, count = backbone.get_layer_depth(name, 'backbone.')
            if settings.get('num_layers', count - 2) != count - 2:
                raise ValueError(
                    f'paramwise_cfg.num_layers is {settings["num_layers"]}, and '
                    f'{type(backbone).__name__} has {count - 2} blocks: leave it out'
                )
            scale = rate ** (count - 1 - depth)
            group.update(lr=group.get('lr', self.base_lr) * scale, lr_scale=scale, param_name=name)
