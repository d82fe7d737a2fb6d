"""A grid of trainings with one command: plan, launch and record them, and report the results."""

from .launch import dry_run, run_sweep
from .load import load_sweep

__all__ = ['dry_run', 'load_sweep', 'run_sweep']
