"""Experiments: what to run, what is left, in what order."""
