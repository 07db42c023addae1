"""Findings for people and for machines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from algoperf_lite.rules.findings import NEEDS_REVIEW, VIOLATION, Finding, in_order

if TYPE_CHECKING:
    from rich.text import Text

# A violation fails a check, so it is what the eye should find first.
_STYLES = {VIOLATION: "bold red", NEEDS_REVIEW: "bold yellow"}


def render(findings: Iterable[Finding], name: str) -> Text:
    """A block per finding with its rule, place, reason and fix; the last line is the verdict."""
    from rich.text import Text  # takes longer to import than all checks take to run

    text = Text()
    for found in in_order(findings):
        text.append(found.severity.replace("_", " "), _STYLES[found.severity])
        text.append(f"  {found.rule}  ", "bold")
        text.append(f"{found.place}\n", "cyan")
        text.append(f"  {found.why}\n  To fix: {found.fix}\n\n")
    return text.append(verdict(findings, name))


def verdict(findings: Iterable[Finding], name: str) -> str:
    """A sentence about all findings."""
    violations, reviews = (_count(findings, severity) for severity in (VIOLATION, NEEDS_REVIEW))
    parts = []
    if violations:
        parts.append(f"{violations} violation{'s' if violations > 1 else ''}")
    if reviews:
        parts.append(f"{reviews} place{'s' if reviews > 1 else ''} that a person must read")
    # Never "allowed": a check finds some breaches and cannot prove that there are none.
    if not parts:
        return f"{name}: no finding"
    end = "" if violations else "; no violation"
    return f"{name}: {' and '.join(parts)}{end}"


def to_json(findings: Iterable[Finding], name: str) -> dict[str, Any]:
    """The findings and their numbers as one JSON object."""
    return {
        "submission": name,
        "violations": _count(findings, VIOLATION),
        "needs_review": _count(findings, NEEDS_REVIEW),
        "findings": [found.to_json() for found in in_order(findings)],
    }


def exit_code(findings: Iterable[Finding]) -> int:
    """1 where there is a violation, else 0: places to review are listed and do not fail."""
    return int(_count(findings, VIOLATION) > 0)


def _count(findings: Iterable[Finding], severity: str) -> int:
    return sum(found.severity == severity for found in in_order(findings))
