"""Questions to a pack as a whole: its manifest, its sources, and trials beside each other."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from algoperf_lite.experiment import sources
from algoperf_lite.experiment.directory import versioned
from algoperf_lite.experiment.records.case import Case, Said
from algoperf_lite.experiment.sources import Source
from algoperf_lite.submission import find
from scoring.benchmark import Benchmark
from scoring.logs import origins, read
from scoring.logs.format import CLOCK, SOURCES
from scoring.logs.pack import MANIFEST, Pack

VIOLATION = "violation"  # of `findings.SEVERITIES`
# From a submission's file to findings of `check`, {"violations": number, "findings": [...], ...}.
Check = Callable[[Path], Mapping[str, Any]]


def cases(root: Path) -> list[Case]:
    """The trials of an unpacked pack, in the order of their places."""
    were, experiments = origins.of_trials(root), origins.experiments(root)
    found = []
    for at in read.places(root):
        origin = were.get(at.path, {})
        index = origin.get("experiment", 0)
        found.append(
            Case(
                path=root / at.path,
                place=at.path,
                submission=origin.get("submission", at.submission),
                study=origin.get("study", at.study),
                workload=at.workload,
                trial=at.trial,
                experiment=experiments[index] if index in range(len(experiments)) else {},
            )
        )
    return found


def manifest(
    pack: Pack, kept: Mapping[str, Source], found: Sequence[Case], benchmark: Benchmark
) -> Said:
    """The manifest says what the files say."""
    about = pack.about
    if about["submissions"] != {name: source.sha256 for name, source in kept.items()}:
        yield "source", f"{MANIFEST} tells of other submissions than the pack has sources of"
    run_on = {versioned(case.experiment["settings"]["benchmark"]) for case in found}
    said = {str(about["benchmark"]), *run_on}
    # A benchmark of somebody's own is a file, which has another path here.
    if len(said) > 1 or not (said == {benchmark.name} or "/" in min(said)):
        yield "target", f"it is of {', '.join(sorted(said))}; verified by {benchmark.name}"
    rulesets = {case.experiment["settings"]["ruleset"]["name"] for case in found}
    if rulesets != {about["ruleset"]}:
        yield "terms", f"{MANIFEST} says ruleset {about['ruleset']!r:.40}"
    if about["num_trials"] != len(found):
        yield (
            "record",
            f"{MANIFEST} says {about['num_trials']!r:.40} trials, there are {len(found)}",
        )
    keys = {key for case in found if (key := (case.record.get("fingerprint") or {}).get("key"))}
    if set(about["fingerprints"]) != keys:
        yield "machine", f"{MANIFEST} names other machines than the trials"
    places = tuple(f"{case.place}/" for case in found)
    kept = (SOURCES + "/", *places)
    strays = [name for name in pack.files if "/" in name and not name.startswith(kept)]
    if strays:
        yield "record", f"{strays[0]!r:.100} is no file of a trial or a submission"


def left_out(found: Sequence[Case]) -> Said:
    """Every study has all trials of its ruleset, and no study before another is missing: whoever
    leaves out the bad ones has a better median."""
    cells: dict[tuple, dict[int, set[int]]] = {}
    wanted: dict[tuple, int] = {}
    for case in found:
        # By where it ran: studies that were put together bear other numbers.
        cell = id(case.experiment), case.submission, case.workload
        cells.setdefault(cell, {}).setdefault(case.study, set()).add(case.trial)
        is_tuned = case.record.get("pbt") is not None
        wanted[cell] = 1 if is_tuned else case.experiment["settings"]["ruleset"]["num_trials"]
    for cell, studies in cells.items():
        name = f"{cell[1]} on {cell[2]}"
        if sorted(studies) != list(range(len(studies))):
            yield "missing", f"{name} has studies {sorted(studies)}, so some were left out"
        for study, trials in studies.items():
            if sorted(trials) != list(range(1, wanted[cell] + 1)):
                yield "missing", f"study {study} of {name} has trials {sorted(trials)[:20]}"


def copied(first: dict[str, str], case: Case) -> Said:
    """The trial has not the readings of another: clocks do not repeat themselves.

    Trials that shared a program have one clock, which was replayed; of theirs, losses and metrics
    do not repeat themselves.

    Args:
      first: {hash of readings: place} of the trials before it, which it joins.
    """
    is_shared = case.record.get("timing") == "replayed"
    readings = [
        ",".join(
            text for name, text in row.items() if ("/" in name if is_shared else name == CLOCK)
        )
        for row in case.rows
    ]
    if readings:
        key = hashlib.sha256("\n".join(readings).encode()).hexdigest()
        if first.setdefault(key, case.place) != case.place:
            yield "copy", f"it has the readings of {first[key]}"


def other_data(first: dict[str, tuple], case: Case) -> Said:
    """The trial's data, and the size of its model, are those of the others on its workload."""
    names = ("data_sha256", "num_params", "workload_sha256")
    own = tuple(case.record.get(name) for name in names)
    if None in own[:2]:  # it failed before that was known
        return
    for name, one, other in zip(names, own, first.setdefault(case.workload, own), strict=True):
        if one != other:
            yield "data", f"its {name} is {one!r:.30}, that of other trials {other!r:.30}"


def sound_source(check: Check, remarks: list[str], source: Source) -> Said:
    """The source is what its description has the hash of, and breaks no rule when checked anew.

    Args:
      remarks: gets what a person must judge.
    """
    for found in check(source.path)["findings"]:
        line = f"{found['place']}: {found['rule']}"
        if found["severity"] == VIOLATION:
            yield "rules", f"{line}, which is a violation"
        else:
            remarks.append(f"{source.name}, {line}, which a person must judge")
    if find.source_sha256(source.path) != source.sha256:
        yield "source", f"{SOURCES}/{source.name}.json has the hash of another text"


def source_of(kept: Mapping[str, Source], case: Case) -> Source | None:
    """The source of a trial's submission, by the name that it has in the pack."""
    return sources.of(kept, case.place.partition("/")[0])
