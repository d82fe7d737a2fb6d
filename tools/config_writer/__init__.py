"""The code behind tools/new_config.py: finds the layout of a folder and writes a config."""
