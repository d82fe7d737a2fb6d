"""The setting ``safety`` of a config. It turns safeties off by name."""

from mmengine.config import Config

from ...registry import is_mmengine, type_name

# All are on by default. A config turns one off by its name: safety=dict(signals=False).
# The value is the hook that the safety adds, or None if it works elsewhere.
SAFETIES = {
    'checkpoints': 'afno_mm.CheckpointHook',
    'exact_resume': 'afno_mm.IterationSeedHook',
    'finite_numbers': 'afno_mm.FiniteNumbersHook',
    'settings': 'afno_mm.SettingsHook',
    'rank_watch': 'afno_mm.RankWatchHook',
    'signals': 'afno_mm.StopSignalHook',
    'strict_weights': None,  # SafeRunner
    'work_dir': None,  # tools/train.py
}


def protect(cfg: Config) -> None:
    """Add the hooks of all protections that the config leaves on (``safety``).

    Raises:
        ValueError: If ``safety`` names an unknown protection.
    """
    unknown = set(cfg.get('safety') or {}) - set(SAFETIES)
    if unknown:
        raise ValueError(f'safety has no {sorted(unknown)}; it has {", ".join(SAFETIES)}')
    hooks = [hook for hook in cfg.get('custom_hooks') or [] if isinstance(hook, dict)]
    present = {type_name(hook['type']) for hook in hooks if 'type' in hook}
    for name, hook in SAFETIES.items():
        if hook is None or not is_on(cfg, name) or type_name(hook) in present:
            continue
        if name == 'checkpoints':
            defaults = dict(cfg.get('default_hooks') or {})
            checkpoint = defaults.get('checkpoint', dict(type='CheckpointHook', interval=1))
            if checkpoint and is_mmengine(checkpoint.get('type'), 'CheckpointHook'):
                cfg.default_hooks = dict(defaults, checkpoint=dict(checkpoint, type=hook))
        else:
            cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), dict(type=hook)]


def is_on(cfg: Config, name: str) -> bool:
    """Return True if a safety of ``SAFETIES`` is on."""
    return (cfg.get('safety') or {}).get(name, True)
