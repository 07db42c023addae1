"""The verdict on a pack: what was confirmed, what was found, and how far one may trust it."""

import dataclasses

from algoperf_lite.experiment.results import ScoreRow, Table
from scoring.board.levels import LEVELS as LEVELS


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing in a pack that does not fit.

    Attributes:
      kind: what it is about, such as "rows", "clock" or "source".
      place: a trial's folder, a submission's name, or the file.
      what: what was found and what was expected, as a sentence without an end.
    """

    kind: str
    place: str
    what: str


@dataclasses.dataclass(frozen=True)
class Replayed:
    """A trial that was trained again.

    Attributes:
      place: its folder.
      steps: to which both were compared.
      is_same_machine: whether the fingerprints are the same, so that bits are to be.
      is_same_bits: whether all rows are.
      difference: the largest difference of a loss or metric, relative to the larger of the two
        values and at least to 1.
      time_ratio: seconds here over seconds recorded, on the submission's clock.
    """

    place: str
    steps: int
    is_same_machine: bool
    is_same_bits: bool
    difference: float
    time_ratio: float


@dataclasses.dataclass(frozen=True)
class OnVariant:
    """A submission on a variant that was drawn now.

    Attributes:
      is_reached: whether it reached the variant's target.
      steps, max_steps: that it took, and that it had.
    """

    submission: str
    variant: str
    is_reached: bool
    steps: int
    max_steps: int


@dataclasses.dataclass(frozen=True)
class Verdict(Table[Problem]):
    """The verdict on a pack; its rows are the problems that were found.

    Attributes:
      benchmark: its name.
      level: a key of `LEVELS`; None where there is a problem.
      confirmed: what was looked at and fits, as sentences.
      remarks: what could not be looked at, or is for a person to judge.
      scores: computed anew from the rows.
      replayed: the trials that were trained again.
      rng_seed: that drew them.
      on_variants: submissions on variants that were drawn.
    """

    benchmark: str
    level: str | None
    confirmed: tuple[str, ...]
    remarks: tuple[str, ...]
    scores: tuple[ScoreRow, ...]
    replayed: tuple[Replayed, ...] = ()
    rng_seed: int | None = None
    on_variants: tuple[OnVariant, ...] = ()
