"""Tables in documents that list what the code has: each names all of it and nothing else."""

import re
from pathlib import Path

import workloads
from algoperf_lite.cli import main as command_line
from algoperf_lite.population.config import PopulationConfig
from algoperf_lite.schedules.signatures import RESERVED, signatures
from scoring.logs import format as log_format

DOCS = Path(__file__).parents[2] / "docs"


def _cells(page, heading):
    """Rows of the first table below a heading (the first of the page for None), without the head.

    A row is a list of the names in backticks in its first cell, and the texts of the others.
    """
    text = (DOCS / f"{page}.md").read_text()
    if heading is not None:
        assert heading in text, f"docs/{page}.md has no {heading!r}"
        text = text.partition(heading)[2]
    lines = re.search(r"(^\|.*\n)+", text, re.MULTILINE).group().splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [(re.findall(r"`([^`]+)`", first), rest) for first, *rest in rows]


def test_the_workloads_and_their_variants():
    listed = {
        names[0]: {names[0] + variant for variant in re.findall(r"`(_\w+)`", rest[-1])}
        for names, rest in _cells("workloads", None)
    }
    assert listed == {name: set(workloads.variants(name)) for name in workloads.names()}


def test_the_accounts_of_the_ledger_and_which_are_on_the_clock():
    rows = _cells("timing", "## The clock of a submission")
    on = [name for names, rest in rows if rest[0] == "yes" for name in names]
    off = [name for names, rest in rows if rest[0] == "no" for name in names]
    assert sorted(on) == sorted(log_format.ON_CLOCK)
    assert sorted(off) == sorted(log_format.OFF_CLOCK)


def test_the_statuses():
    rows = _cells("timing", "## How a trial ends")
    assert sorted(name for names, _ in rows for name in names) == sorted(log_format.STATUSES)


def test_the_keys_of_a_population_and_their_defaults():
    rows = {names[0]: rest[-1].strip("`") for names, rest in _cells("populations", "## The flag")}
    plain = PopulationConfig.parse("8")
    for key, default in rows.items():
        if key != "ready_interval":  # its default is a part of the step hint
            assert PopulationConfig.parse(f"8:{key}={default}") == plain, key
    assert PopulationConfig.parse("8:ready_interval=20") != plain
    assert len(rows) == 6


def _range(parameter, dimension):
    """A range as the table of docs/schedules.md words it."""
    if "feasible_points" in dimension:
        return f"`{parameter}` of " + ", ".join(f"{x:g}" for x in dimension["feasible_points"])
    evenly = " (evenly)" if dimension["scaling"] == "linear" else ""
    return f"`{parameter}` {dimension['min']:g} to {dimension['max']:g}{evenly}"


def test_the_ranges_of_schedules_parameters():
    rows = _cells("schedules", "## Parameters in the search space")
    listed = {names[0]: set(rest[0].split("; ")) for names, rest in rows if names}
    [shared] = [set(rest[0].split("; ")) for names, rest in rows if not names]
    for name, found in signatures().items():
        if not found.is_schedule:
            continue
        own = {_range(p, found.parameters[p].searched) for p in found.searched}
        assert own - shared == listed.pop(name, set()) - shared, name
    assert not listed
    assert shared == {
        _range(p, found.searched) for p, found in RESERVED["Schedule"].items() if found.searched
    }


def test_the_flags_of_score():
    for names, _ in _cells("scoring", "## Flags that change what is compared"):
        flag = names[0].replace("=STEM", "=stem").replace("=N", "=1")
        value = {"--tuning_ruleset": "=self", "--benchmark": "=lite", "--reference": "=nadamw"}
        value["--against"] = "=nadamw"
        command_line._parse(["algoperf-lite", "score", "runs", flag + value.get(flag, "")])
