"""Importance of hyperparameters on the page: a table, sentences and a small chart for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from scoring.leaderboard import Leaderboard
from scoring.stats.importance import Importance
from scoring.views import importance
from scoring.views.series import rounded
from scoring.views.text import TYPESET, printable

MOST_SEARCHED = 40  # submissions
MOST_CHARTS = 12  # hyperparameters of a submission
MOST_DOTS = 300  # points of a chart
_LOG_RATIO = 8.0  # a hyperparameter that spans more has a logarithmic axis


def searched(board: Leaderboard) -> list[Importance]:
    """The submissions that were run at more than one point, in the board's order."""
    places = board.places
    found = [one for one in board.importance if one.points.size > 1 and one.points.names]
    return sorted(found, key=lambda one: places[one.submission])


def shown(board: Leaderboard) -> list[Importance]:
    """Those that the page has room for."""
    return searched(board)[:MOST_SEARCHED]


def rows(found: Sequence[Importance], places: Mapping[str, int]) -> list[dict]:
    """The text of each; `places` are those of the submissions."""
    return [
        {
            "place": places[one.submission],
            "title": importance.title(one).removeprefix(f"{printable(one.submission)}: "),
            "effects": importance.rows(one, TYPESET),
            "sentences": importance.sentences(one),
            "charts": [printable(name) for name in _charted(one)],
        }
        for one in found
    ]


def to_json(found: Importance) -> dict:
    """Plain values for the charts: of each hyperparameter, and how good each point was."""
    points = found.points
    with np.errstate(invalid="ignore"):
        good_P = np.nanmean(points.good_WP, axis=0)
    values = dict(zip(points.names, points.value_HP.tolist(), strict=True))
    return {
        "name": printable(found.submission),
        "goods": [rounded(good) for good in good_P[:MOST_DOTS]],
        "charts": [_chart(name, values[name]) for name in _charted(found)],
    }


def _charted(found: Importance) -> list[str]:
    """The strongest first, as in the table; by name where nothing was computed."""
    names = [effect.hyperparameter for effect in found.effects] or list(found.points.names)
    return names[:MOST_CHARTS]


def _chart(name: str, values: Sequence[float]) -> dict:
    low, high = min(values), max(values)
    return {
        "name": printable(name),
        "log": low > 0 and low * _LOG_RATIO <= high,
        "values": [rounded(value) for value in values[:MOST_DOTS]],
    }
