"""Manifests for the layouts of public data sets: one file each, listed in `registry.py`."""
