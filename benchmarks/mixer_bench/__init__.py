"""What the mixers cost, beside the public layers that they are compared with."""

from .measure import Settings
from .report import show, show_case, show_summaries, write
from .suites import SUITES, run_suites

__all__ = ['SUITES', 'Settings', 'run_suites', 'show', 'show_case', 'show_summaries', 'write']
