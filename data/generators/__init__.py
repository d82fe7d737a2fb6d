"""Generators of example data. The scripts in data/ run them."""
