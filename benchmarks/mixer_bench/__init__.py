"""Time and memory of the mixers beside the public layers that they are compared with."""

from .measure import Settings
from .ratios import speed_ups
from .report import show, show_case, show_summaries, write
from .suites import SUITES, run_suites

__all__ = [
    'SUITES',
    'Settings',
    'run_suites',
    'show',
    'show_case',
    'show_summaries',
    'speed_ups',
    'write',
]
