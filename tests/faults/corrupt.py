"""Damaged checkpoints and logs: what a trial makes of them when it goes on.

`python -m tests.faults.corrupt --cases=100` tries so many damages and prints how each ended. A case
is a number: it is the seed of what is damaged and how, so that any of them can be looked at alone.
"""

import argparse
import collections
import contextlib
import dataclasses
import io
import random
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from algoperf_lite import tuning
from algoperf_lite.population.config import PopulationConfig
from algoperf_lite.trial import attempts, checkpoints, resume
from algoperf_lite.trial import run as trial_run
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec

_LOGS = ("eval_measurements.csv", "measurements.csv", "lineage.jsonl", attempts.FILE)
_CUT_AT = 8  # steps: checkpoints are after 6 and before, logs go on to here
_LAST_STEP = 10


class Cut(BaseException):
    """The end of a trial's process, as far as the trial can tell."""


@dataclasses.dataclass(frozen=True)
class Pristine:
    """A trial that was cut, undamaged; a copy of `directory` is damaged for each case.

    Attributes:
      saved: what its checkpoints hold, by step, in bytes and plain values.
    """

    spec: TrialSpec
    directory: Path
    saved: Mapping[int, Mapping[str, Any]]

    def goes_on_in(self, directory: Path) -> TrialSpec:
        return dataclasses.replace(self.spec, directory=str(directory))


def pristine(directory: Path, is_population: bool) -> Pristine:
    """A trial on digits that was cut in its second attempt, after two checkpoints or more."""
    fields = {"population": PopulationConfig(2, 3)} if is_population else {}
    spec = TrialSpec(
        submission="nadamw",
        workload="digits",
        study=0,
        trial=1,
        config=ExperimentConfig(ruleset=tuning.Ruleset("self", 1, 1, 1.5)),
        directory=str(directory),
        budget=80 / 300,  # evaluations after steps 1, 2, 4, 6, ...
        max_global_steps=_LAST_STEP,
        **fields,
    )
    for step in (4, _CUT_AT):
        with contextlib.suppress(Cut), contextlib.redirect_stdout(io.StringIO()):
            run(spec, cut_at=step)
            raise AssertionError("it was not cut")
    saved = {}
    for checkpoint in checkpoints.found(directory):
        facts, leaves = checkpoint.read()
        saved[checkpoint.step] = {**facts, "leaves": [_bytes(leaf) for leaf in leaves]}
    assert len(saved) == 2, saved.keys()
    return Pristine(spec, directory, saved)


def run(spec: TrialSpec, cut_at: int | None = None) -> dict[str, Any]:
    """A trial's record; it keeps a checkpoint wherever it can, and is cut at an evaluation."""

    def report(**event: Any) -> None:
        if cut_at is not None and event.get("step") == cut_at:
            raise Cut

    return trial_run.run(spec, report, checkpoint_share=1.0).to_json()


def damage(directory: Path, case: int) -> str:
    """Damages a copy of a trial's directory; returns what was done to what."""
    chance = random.Random(case)
    folders = sorted((directory / checkpoints.FOLDER).iterdir())
    logs = [directory / name for name in _LOGS if (directory / name).exists()]
    kinds = [*_DAMAGES, _swap]
    done = []
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        kind = chance.choice(kinds)
        if kind is _swap:
            done.append(_swap(folders, chance))
            continue
        in_folder = [path for path in chance.choice(folders).rglob("*") if path.is_file()]
        paths = [path for path in (logs, sorted(in_folder))[chance.random() < 0.6] if path.exists()]
        if paths:
            path = chance.choice(paths)
            kind(path, chance)
            done.append(f"{kind.__name__[1:]} {path.relative_to(directory)}")
    return ", ".join(done)


def _truncate(path: Path, chance: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(max(1, len(content)))])


def _flip(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(chance.choice((1, 1, 8, 64)) if content else 0):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def _zero(path: Path, chance: random.Random) -> None:
    """As a power cut leaves what was not yet on the disk."""
    content = path.read_bytes()
    start = chance.randrange(max(1, len(content)))
    path.write_bytes(content[:start] + bytes(len(content) - start))


def _repeat(path: Path, chance: random.Random) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    if lines:
        lines.insert(chance.randrange(len(lines)), chance.choice(lines))
    path.write_bytes(b"".join(lines))


def _empty(path: Path, chance: random.Random) -> None:
    path.write_bytes(b"")


def _delete(path: Path, chance: random.Random) -> None:
    path.unlink()


_DAMAGES: tuple[Callable[[Path, random.Random], None], ...] = (
    *(_truncate, _flip, _zero, _repeat, _empty, _delete),
)


def _swap(folders: list[Path], chance: random.Random) -> str:
    """Puts a part of one checkpoint, or all of it, in the place of the other's."""
    to, other = chance.sample(folders, 2)
    name = chance.choice(("", "facts.json", "arrays"))
    if not (other / name).exists():
        return "nothing"
    if (to / name).is_dir():
        shutil.rmtree(to / name)
        shutil.copytree(other / name, to / name)
    else:
        shutil.copyfile(other / name, to / name)
    return f"swap {to.name}/{name}"


def usable(trial_: Pristine, damaged: Path) -> int | None:
    """The last step after which checkpoint and logs are, byte for byte, what they were."""
    steps = [
        step
        for step, saved in trial_.saved.items()
        if _files(trial_.directory / checkpoints.FOLDER / str(step))
        == _files(damaged / checkpoints.FOLDER / str(step))
        and all(
            then is None or _head(damaged / name, then) == _head(trial_.directory / name, then)
            for name, then in saved["files"].items()
        )
    ]
    return max(steps, default=None)


def check(trial_: Pristine, damaged: Path) -> str:
    """Begins the next attempt in a damaged directory and returns what it said about it.

    Raises AssertionError where it is not right.
    """
    best = usable(trial_, damaged)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        attempt = resume.begin(trial_.goes_on_in(damaged), 1.0, 0.0)
    lines = said.getvalue().splitlines()
    saved = attempt.saved
    if saved is None:
        assert best is None, f"the checkpoint after step {best} is whole; {lines}"
        assert "starting again" in lines[-1], lines
        left = {path.name for path in damaged.iterdir() if path.name not in ("interrupted_0",)}
        assert left == {attempts.FILE}, left
    else:
        assert best is None or saved.step >= best, (saved.step, best)
        assert lines[-1] == f"going on from the checkpoint after step {saved.step}", lines
        _check_is_what_was_saved(trial_, damaged, saved)
        assert attempt.number >= 1
    assert 0.0 <= attempt.lost < 3600.0, attempt.lost
    assert len(attempts.intervals(damaged)) >= 1
    return lines[-1]


def _check_is_what_was_saved(trial_: Pristine, damaged: Path, saved: resume.Snapshot) -> None:
    expected = trial_.saved[saved.step]
    assert [_bytes(leaf) for leaf in saved.snapshot.arrays] == expected["leaves"]
    assert saved.snapshot.facts == expected["form"]
    for name in ("recorder", "ledger", "at"):
        assert getattr(saved, name) == expected[name], name
    for name, then in expected["files"].items():
        if then is None:
            assert not (damaged / name).exists(), name
        else:
            head = _head(trial_.directory / name, then)
            assert (damaged / name).read_bytes() == head, name


def _bytes(leaf: Any) -> tuple[str, tuple[int, ...], bytes]:
    return leaf.dtype.name, leaf.shape, leaf.tobytes()


def _files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def _head(path: Path, then: Any) -> bytes | None:
    """The lines that a file had; None where it is gone."""
    if not path.exists():
        return None
    return b"".join(line + b"\n" for line in path.read_bytes().split(b"\n")[: then[0]])


def damaged_copy(trial_: Pristine, to: Path, case: int | None) -> str:
    """A damaged copy of a trial's directory at `to`, whole without a case; returns what was done
    to it."""
    shutil.copytree(trial_.directory, to)
    return "" if case is None else damage(to, case)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    ends: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        forms = [pristine(Path(folder, name), name == "population") for name in _FORMS]
        for case in range(arguments.first, arguments.first + arguments.cases):
            trial_, to = forms[case % 2], Path(folder, f"case_{case}")
            done = damaged_copy(trial_, to, case)
            end = check(trial_, to)
            print(f"{case:>4} {_FORMS[case % 2]:<10} {done}: {end}")
            ends[end] += 1
    for end, count in ends.most_common():
        print(f"{count:>4} {end}")


_FORMS = ("native", "population")


if __name__ == "__main__":
    main()
