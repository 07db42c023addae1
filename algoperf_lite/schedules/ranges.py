"""Ranges in which a search draws parameters of schedules; they stand in annotations.

Each function gives a dimension in the form of a submission's `search_space`.
"""

from typing import Any


def between(low: float, high: float) -> dict[str, Any]:
    """Evenly from `low` to `high`."""
    return {"min": low, "max": high, "scaling": "linear"}


def log_between(low: float, high: float) -> dict[str, Any]:
    """Evenly in the logarithm, for what matters by its factors."""
    return {"min": low, "max": high, "scaling": "log"}


def among(*values: float) -> dict[str, Any]:
    """One of `values`, each as likely."""
    return {"feasible_points": list(values)}
