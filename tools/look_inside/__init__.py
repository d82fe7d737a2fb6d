"""What tools/explain.py and tools/demo.py share: load models, predict, and look inside them."""
