"""Comparisons in words: one sentence for a pair of submissions."""

from __future__ import annotations

from collections.abc import Sequence

from scoring.leaderboard import Leaderboard
from scoring.stats.comparisons import Comparison
from scoring.views.text import printable

_MOST = 6  # pairs in full; of more submissions only neighbours on the board
_MANY_STUDIES = 100  # more than these nobody runs


def neighbours(board: Leaderboard) -> list[str]:
    """A sentence for each pair of a small board, for neighbours on a large one; none where one
    study cannot tell."""
    found = [pair for pair in board.pairs if pair.low is not None]
    if len(found) > _MOST:
        places = board.places
        found = [pair for pair in found if places[pair.second] == places[pair.first] + 1]
    return sentences(found)


def against(board: Leaderboard) -> list[str]:
    """A heading and the sentences of everybody with the one that the protocol names."""
    name = board.protocol.against
    if name is None:
        return []
    heading = f"Compared with {printable(name)}, in intervals that hold all together with 95%:"
    if not board.against:
        return [f"There is nobody to compare {printable(name)} with."]
    return [heading, *sentences(board.against)]


def sentences(pairs: Sequence[Comparison]) -> list[str]:
    """One for each pair."""
    return [sentence(pair) for pair in pairs]


def sentence(pair: Comparison) -> str:
    """E.g. "a is faster than b: 1.21x (1.08 to 1.36) where both arrive, ahead on 7 of 9 workloads;
    score +0.24 (0.18 to 0.31); 3 studies"."""
    first, second = printable(pair.first), printable(pair.second)
    facts = "; ".join([*_speed(pair), _score(pair), _studies(pair.num_studies)])
    if pair.low is None:
        return f"{first} and {second}: one study cannot tell; {facts}"
    if pair.is_decided:
        # A score also counts what only one of them reached.
        is_faster = pair.speedup.mean is None or pair.speedup.mean > 1
        how = "is faster than" if is_faster else "reaches more than"
        return f"{first} {how} {second}: {facts}"
    return f"{first} against {second} is not decided: {facts}{_outlook(pair.more_studies)}"


def _speed(pair: Comparison) -> list[str]:
    if not pair.num_reached:
        return ["neither reached a target"]
    ahead = f"ahead on {pair.num_ahead} of {pair.num_reached} workloads"
    speedup = pair.speedup
    if speedup.mean is None:
        return [ahead]
    limits = "" if speedup.low is None else f" ({speedup.low:.2f} to {speedup.high:.2f})"
    return [f"{speedup.mean:.2f}x{limits} where both arrive, {ahead}"]


def _score(pair: Comparison) -> str:
    limits = "" if pair.low is None else f" ({pair.low:.2f} to {pair.high:.2f})"
    return f"score {pair.difference:+.2f}{limits}"


def _studies(num: int) -> str:
    return f"{num} {'study' if num == 1 else 'studies'}"


def _outlook(more: int | None) -> str:
    if more is None:
        return "; there is no difference to be seen"
    if more > _MANY_STUDIES:
        return f"; more than {_MANY_STUDIES} more would not tell so small a difference"
    return f"; about {more} more would tell if the difference is what it looks like"
