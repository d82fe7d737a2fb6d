"""Layer-wise decay of the learning rate: the earlier a layer, the lower its rate."""

from typing import Any

from mmengine import registry as mmengine
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from ..registry import OPTIM_WRAPPER_CONSTRUCTORS


# Register in MMEngine's registry too: MMSegmentation, which has no class of this name, finds the
# bare name there. In MMPretrain's scope the bare name is MMPretrain's own class.
@mmengine.OPTIM_WRAPPER_CONSTRUCTORS.register_module()
@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LearningRateDecayOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Multiply the learning rate of each parameter by ``rate ** (last - depth)``.

    The backbone's ``get_layer_depth`` returns the depth: 0 for the first patch embedding, i + 1 for
    block i, and ``last`` for all that follows the backbone and so gets the full rate. MMPretrain's
    constructor of this name calls ``get_layer_depth`` of the model, which MMSegmentation's models
    do not have. MMSegmentation's own constructor supports only ConvNeXt, BEiT and MAE.

    ``paramwise_cfg`` takes the keys of MMEngine's constructor, ``lr_mult`` included, and:

    * ``layer_decay_rate`` or ``decay_rate``: the rate, under MMPretrain's or MMSegmentation's name;
    * ``decay_type``: 'layer_wise' or 'layer_wise_vit'; MMSegmentation's 'stage_wise' is refused;
    * ``num_layers``: the number of blocks. It must be the backbone's.

    Raises:
        ValueError: If a setting is missing or does not fit the backbone.
    """

    def add_params(
        self, params: list[dict], module: nn.Module, prefix: str = '', is_dcn_module: Any = None
    ) -> None:
        super().add_params(params, module, prefix, is_dcn_module)
        if prefix:
            return  # This is the call for a submodule.
        settings = self.paramwise_cfg
        # known_keys._texts finds the known keys in the string constants of this method.
        rates = settings.get('layer_decay_rate'), settings.get('decay_rate')
        rate = rates[0] if rates[1] is None else rates[1]
        kind = settings.get('decay_type', 'layer_wise')
        backbone: Any = getattr(module, 'backbone', None)
        if rates.count(None) != 1 or kind not in ('layer_wise', 'layer_wise_vit'):
            raise ValueError(
                'layer-wise decay needs paramwise_cfg.layer_decay_rate or .decay_rate, not both, '
                f"and decay_type='layer_wise'. Got {settings}"
            )
        if self.base_lr is None:
            raise ValueError('layer-wise decay needs a learning rate in optim_wrapper.optimizer.lr')
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
