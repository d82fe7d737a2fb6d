"""A grid of trainings as one command: run, continued, tabulated and plotted.

``plan`` reads what to run, ``record`` knows what has been run and with which settings, ``launch``
runs the rest, ``report`` writes what came out.
"""

from .launch import dry_run, run_sweep
from .plan import load_sweep

__all__ = ['dry_run', 'load_sweep', 'run_sweep']
