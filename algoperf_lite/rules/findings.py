"""Findings: places in a submission that break a rule of the rulebook, or that need a reader."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from algoperf_lite import did_you_mean
from algoperf_lite.rules.rulebook import RULES

VIOLATION = "violation"
NEEDS_REVIEW = "needs_review"  # a person must read the place: an honest file may look like this
SEVERITIES = (VIOLATION, NEEDS_REVIEW)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One place in a submission that breaks a rule, or that a reader must judge.

    Attributes:
      rule: name of a rule in `rulebook.RULES`.
      severity: "violation" or "needs_review".
      place: file and line, such as "submission.py:12".
      why: what was found and why it matters, as a sentence.
      fix: what to do, as a sentence.
    """

    rule: str
    severity: str
    place: str
    why: str
    fix: str

    def __post_init__(self):
        did_you_mean.require(self.severity, SEVERITIES, "severity")

    def to_json(self) -> dict[str, Any]:
        """The finding as a dict of strings."""
        return dataclasses.asdict(self)


def finding(rule: str, place: str, what: str, severity: str = VIOLATION) -> Finding:
    """A finding against `rule`; `what` says in a few words what was found."""
    broken = RULES[rule]
    return Finding(rule, severity, place, f"{what}: {broken.why}.", broken.fix)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Each finding once, by file, line and rule."""

    def key(found: Finding) -> tuple:
        # Line 9 comes before line 10, which as text it does not.
        file, _, line = found.place.rpartition(":")
        at = (file, int(line)) if line.isdigit() else (found.place, 0)
        return (*at, found.rule, found.severity, found.why)

    return sorted(set(findings), key=key)  # two concerns may find the same
