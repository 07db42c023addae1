"""Several trees of logs as one: where each trial goes, and which are there twice.

The same text of a submission has one name; texts that differ have different ones, as in "nadamw"
and "nadamw_2". Trials with one study and one seed are paired, so a study has one number for all
submissions, and studies of several trees keep the numbers that they have in common.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scoring.logs import origins, read
from scoring.logs.format import MERGED, RECORD, ROW_FILES, SOURCES
from scoring.logs.trial_files import read_info

_KEY = re.compile(r"[\w+-]{1,200}")  # of a fingerprint: it becomes the name of a folder
_LEFT = shutil.ignore_patterns("interrupted_*", "checkpoints")  # of a trial that has ended
# Of a name on the board: what stands behind the submission's own, as in "nadamw+uba@0.5".
_VARIED = re.compile(r"[+@].*")


@dataclass(frozen=True)
class Found:
    """A trial where it lies.

    Attributes:
      root: number of the tree that it is in.
      cell: name of its workload's folder, which ends in the framework.
      content: hash of its rows, or of its record where it has none.
      key: the experiment's seed and the study that it was there, which its seeds came from.
      origin: what a tree that was put together says of it; {} in any other.
      fingerprint: key of the machine; None where it does not tell.
    """

    root: int
    path: Path
    submission: str
    study: int
    cell: str
    trial: int
    key: tuple[str, str]
    origin: Mapping
    sha256: str | None
    content: str
    fingerprint: str | None

    @property
    def stem(self) -> str:
        """The submission's own name."""
        return stem(self.submission)


@dataclass(frozen=True)
class Placed:
    """A trial and its place in the tree of all."""

    found: Found
    submission: str
    study: int

    @property
    def place(self) -> str:
        """Its folder, from the root."""
        found = self.found
        return f"{self.submission}/study_{self.study}/{found.cell}/trial_{found.trial}"


@dataclass(frozen=True)
class Plan:
    """The trees as one.

    Attributes:
      roots: {what people call it: the tree}.
      trials: in the order of the trees.
      duplicates: trials that are left out, since an earlier one has their rows.
      stems: new names of submissions by (tree, old name).
    """

    roots: Mapping[str, Path]
    trials: tuple[Placed, ...]
    duplicates: tuple[Found, ...]
    stems: Mapping[tuple[int, str], str] = field(repr=False)

    @property
    def renamed(self) -> tuple[tuple[int, str, str], ...]:
        """(number of the tree, old name, new name) of submissions that bear another one here."""
        return tuple((root, old, new) for (root, old), new in self.stems.items() if old != new)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Keys of the machines, sorted; "unknown" for one that does not tell."""
        return tuple(sorted({self.machine(trial.found) for trial in self.trials}))

    def machine(self, found: Found) -> str:
        """The key of a trial's machine; one that does not tell is of its tree's, if that is one."""
        if found.fingerprint is not None:
            return found.fingerprint
        of_root = {t.found.fingerprint for t in self.trials if t.found.root == found.root} - {None}
        return of_root.pop() if len(of_root) == 1 else "unknown"

    def write(self, folder: Path, machine: str | None = None, links: bool = False) -> None:
        """Makes the tree in a folder that is empty.

        Args:
          machine: whose trials alone are taken; None for all.
          links: whether trials are links to where they lie, for a tree that is soon gone.
        """
        taken = [t for t in self.trials if machine is None or self.machine(t.found) == machine]
        for above in sorted({(folder / placed.place).parent for placed in taken}):
            above.mkdir(parents=True, exist_ok=True)
        for placed in taken:
            target = folder / placed.place
            if links:
                target.symlink_to(placed.found.path.absolute(), target_is_directory=True)
            else:
                shutil.copytree(placed.found.path, target, ignore=_LEFT)
        if not links:
            self._copy_sources(folder, taken)
        _write_json(folder / MERGED, self._origins(taken))

    def _copy_sources(self, folder: Path, taken: Sequence[Placed]) -> None:
        """Texts of submissions under their new names, the first of those that are the same."""
        for root, stem in dict.fromkeys((t.found.root, t.found.stem) for t in taken):
            old = list(self.roots.values())[root] / SOURCES / stem
            new = folder / SOURCES / self.stems[root, stem]
            about, target = old.with_name(f"{stem}.json"), new.with_name(f"{new.name}.json")
            if old.is_dir() and about.is_file() and not new.exists():
                shutil.copytree(old, new)
                shutil.copyfile(about, target)

    def _origins(self, taken: Sequence[Placed]) -> dict:
        """Content of MERGED: what was put together, and where each trial is from."""
        of_root = [origins.experiments(root, name) for name, root in self.roots.items()]
        starts = [sum(map(len, of_root[:number])) for number in range(len(of_root))]

        def origin(found: Found) -> dict:
            # A tree that was put together itself knows more than where the trial lies in it.
            own = {"experiment": 0, "submission": found.submission, "study": found.study}
            own |= {name: found.origin[name] for name in own if name in found.origin}
            index = own["experiment"]
            index = index if index in range(len(of_root[found.root])) else 0
            return {**own, "experiment": starts[found.root] + index}

        return {
            "experiments": [one for found in of_root for one in found],
            "trials": {placed.place: origin(placed.found) for placed in taken},
        }


def stem(submission: str) -> str:
    """The name of what logs call "nadamw+uba@0.5": "nadamw"."""
    return _VARIED.sub("", submission) or submission


def rows_sha256(files: Sequence[bytes]) -> str | None:
    """A hash of the files of a trial's rows; None where they have none, as a header alone is the
    same in all trials that failed."""
    if sum(content.count(b"\n") for content in files) <= len(files):
        return None
    return hashlib.sha256(b"\0".join(files)).hexdigest()


def together(parts: Mapping[str, Path], root: Path) -> Path:
    """Makes a tree of several in a new folder, of links: for a tree that is soon gone."""
    root.mkdir()
    plan(parts).write(root, links=True)
    return root


def plan(roots: Mapping[str, Path]) -> Plan:
    """The places of all trials; reads them and writes nothing.

    Args:
      roots: {what people call it: a directory}, the earlier ones keep their names and numbers.
    """
    found = [trial for number, root in enumerate(roots.values()) for trial in _trials(number, root)]
    # Two trials of one tree, or of unlike submissions, with the same rows are for whoever reads the
    # board to wonder about.
    first: dict[tuple[str, str, str | None], int] = {}
    distinct, duplicates = [], []
    for trial in found:
        tree = first.setdefault((trial.cell, trial.content, trial.sha256), trial.root)
        (distinct if tree == trial.root else duplicates).append(trial)
    stems = _stems(distinct)
    studies = _Studies()
    trials = []
    for number in range(len(roots)):
        own = [trial for trial in distinct if trial.root == number]
        names = {
            t.submission: stems[number, t.stem] + t.submission.removeprefix(t.stem) for t in own
        }
        by_study: dict[tuple[tuple[str, str], int], list[Found]] = {}
        for trial in own:
            by_study.setdefault((trial.key, trial.study), []).append(trial)
        for (key, was), group in by_study.items():
            cells = {(names[trial.submission], trial.cell, trial.trial) for trial in group}
            study = studies.number(key, was, cells)
            trials += [Placed(trial, names[trial.submission], study) for trial in group]
    return Plan(dict(roots), tuple(trials), tuple(duplicates), stems)


class _Studies:
    """Numbers of studies, of which each holds a place once."""

    def __init__(self) -> None:
        self._taken: dict[int, set[tuple[str, str, int]]] = {}
        self._of_key: dict[tuple[str, str], list[int]] = {}

    def number(self, key: tuple[str, str], was: int, cells: set[tuple[str, str, int]]) -> int:
        """The number of a study with these places, which was number `was` in its tree."""
        # The same seed and study elsewhere had the same initial parameters and order of data, so
        # it is the same study, unless that was run again.
        for number in self._of_key.get(key, ()):
            if not cells & self._taken[number]:
                self._taken[number] |= cells
                return number
        number = was if was not in self._taken else max(self._taken) + 1
        self._taken[number] = set(cells)
        self._of_key.setdefault(key, []).append(number)
        return number


def _stems(trials: Sequence[Found]) -> dict[tuple[int, str], str]:
    """New names by (tree, old name)."""
    texts: dict[tuple[int, str], str | None] = {}
    for trial in trials:
        key = trial.root, trial.stem
        texts[key] = texts.get(key) or trial.sha256  # None where a trial failed before it was read
    by_text: dict[str, str] = {}
    found: dict[tuple[int, str], str] = {}
    for key, sha256 in texts.items():
        # Two names of one text in one tree are told apart there, so they are here.
        of_tree = {name for (root, _), name in found.items() if root == key[0]}
        if by_text.get(sha256) not in (None, *of_tree):
            found[key] = by_text[sha256]
            continue
        # Without a text nobody knows whether two of one name are the same, so they stay apart.
        name, count = key[1], 1
        while name in found.values():
            count += 1
            name = f"{key[1]}_{count}"
        found[key] = name
        if sha256 is not None:
            by_text.setdefault(sha256, name)
    return found


def _trials(number: int, root: Path) -> Iterator[Found]:
    """Trials of a tree, in the order of their numbers; what else lies there is passed over."""
    were = origins.of_trials(root)
    for place in read.places(root):
        path = root / place.path
        info, _ = read_info(os.fspath(path / RECORD))
        fingerprint, sha256 = info.get("fingerprint"), info.get("submission_sha256")
        key = fingerprint.get("key") if isinstance(fingerprint, dict) else None
        origin = were.get(place.path, {})
        # A tree that was put together may have given a study another number; this is its first.
        study_then = origin.get("study", place.study)
        yield Found(
            root=number,
            path=path,
            submission=place.submission,
            study=place.study,
            cell=path.parent.name,
            trial=place.trial,
            key=(repr(info.get("experiment_seed")), repr(study_then)),
            origin=origin,
            sha256=sha256 if isinstance(sha256, str) else None,
            content=_content(path),
            fingerprint=key if isinstance(key, str) and _KEY.fullmatch(key) else None,
        )


def _content(path: Path) -> str:
    """A hash of a trial's rows; of its record where there are none; of its path without either."""
    found = rows_sha256([_bytes(path / name) for name in ROW_FILES])
    return found or hashlib.sha256(_bytes(path / RECORD) or os.fsencode(path)).hexdigest()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
