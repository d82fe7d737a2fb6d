"""What the mixers cost, beside the public layers that they are compared with."""
from .measure import Settings
from .report import TARGETS, show, show_case, show_summaries, write
from .suites import SUITES, run_suites

__all__ = ['SUITES', 'Settings', 'TARGETS', 'run_suites', 'show', 'show_case', 'show_summaries',
           'write']
