"""A grid of trainings with one command: run, continue, tabulate and plot.

* ``plan`` reads what to run.
* ``record`` stores what has run, with its settings and results.
* ``launch`` runs the rest.
* ``report`` writes the table and the plot.
"""

from .launch import dry_run, run_sweep
from .plan import load_sweep

__all__ = ['dry_run', 'load_sweep', 'run_sweep']
