"""AFNO on CPUs in C."""
