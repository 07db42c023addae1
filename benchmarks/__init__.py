"""Measurements and procedures beside the harness; run one with `python -m benchmarks.NAME`."""
