"""Looking at models: what they cost, what their tokens and spectra are like."""
from .cost import Cost, as_the_paper_counts, model_cost

__all__ = ['Cost', 'as_the_paper_counts', 'model_cost']
