"""A shard: the part of an experiment's trials that one of several commands runs.

The commands know nothing of each other but the output directory where their parts meet, so any
scheduler can start them: at the same time, one after another, and again after one was killed.
"""

import dataclasses
import re
from collections.abc import Sequence

from algoperf_lite.trial.spec import TrialSpec

_FORM = re.compile(r"([1-9]\d*)/([1-9]\d*)", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Shard:
    """Part number `index`, from 1, of `count` parts; the whole by default."""

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """The shard of a text as in "2/8"; raises ValueError, one sentence, for any other."""
        found = _FORM.fullmatch(text)
        if found is None or int(found[1]) > int(found[2]):
            raise ValueError(
                f"--shard={text} names no part; expected I/N with I from 1 to N, as in 2/8"
            )
        return cls(int(found[1]), int(found[2]))

    @property
    def is_whole(self) -> bool:
        return self.count == 1

    def of(self, trials: Sequence[TrialSpec]) -> list[TrialSpec]:
        """The trials of this part, in their order; every trial is in exactly one of the parts."""
        groups: dict[tuple[str, int, int], list[TrialSpec]] = {}
        for trial in trials:
            groups.setdefault((trial.workload, trial.study, trial.trial), []).append(trial)
        # What is compared as a pair runs on one machine, unless parts would have nothing to do.
        if len(groups) >= self.count:
            mine = list(groups.values())[self.index - 1 :: self.count]
            return [trial for group in mine for trial in group]
        return list(trials[self.index - 1 :: self.count])


WHOLE = Shard()
