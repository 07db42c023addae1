"""Measurements of the harness itself: `python -m studies.measurements.NAME`."""
