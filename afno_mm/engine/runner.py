"""Build the Runner of a config."""

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import RUNNERS

from .config import complete
from .cpu import distribute_over_cpus, keep_freed_memory
from .custom_ops import check_custom_ops
from .safety import SafeRunner, check_settings, protect, set_interface


def build_runner(cfg: Config) -> SafeRunner:
    """Build the Runner of a config that ``Config.fromfile`` or ``load_config`` has read.

    The Runner has the safeties of :mod:`afno_mm.engine.safety`. Without an accelerator, it keeps
    freed memory, and distributed training uses gloo.
    """
    complete(cfg)
    check_settings(cfg)
    check_custom_ops(cfg)
    protect(cfg)
    if cfg.launcher != 'none':
        set_interface()
    if get_device() == 'cpu':
        keep_freed_memory()
        if cfg.launcher != 'none':
            distribute_over_cpus(cfg)
    return RUNNERS.build(cfg) if 'runner_type' in cfg else SafeRunner.from_cfg(cfg)
