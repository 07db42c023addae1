"""The rule against edges: a grid whose best value lies at its edge is widened there, once.

The best of a grid at its edge is a limit of the grid and not of what is studied. Once and no more:
what is still at an edge then is said in the tables, and is for whoever chose the grid.
"""

from collections.abc import Collection, Sequence

NUM_NEW = 2  # values beyond an edge: with one, the next best could but lie at an edge again


def beyond(values: Sequence[float], best: Collection[float]) -> list[float]:
    """The values to widen a grid with, ascending: beyond each edge where one of `best` lies.

    Neighbours among them are as many times apart as the two values at that edge are. Numbers are
    above 0. A grid of one value has no factor, and is not widened.
    """
    ordered = sorted(values)
    found = []
    for edge, inner in (ordered[:2], ordered[:-3:-1]) if len(ordered) > 1 else ():
        if edge in best:
            factors = ((edge / inner) ** power for power in range(1, NUM_NEW + 1))
            # Digits that nobody chose would stand in tables and names for ever.
            found += [float(f"{edge * factor:.6g}") for factor in factors]
    return sorted(found)


def is_at_edge(values: Collection[float], best: float) -> bool:
    """Whether the best value may be so only because the grid ends there."""
    return len(values) > 1 and best in (min(values), max(values))
