"""AFNO on GPUs in Triton."""
