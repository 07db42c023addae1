"""The sources of an experiment's submissions, kept beside its logs as they were run.

`sources/<name>/` has a submission's files and `sources/<name>.json` says {"file": which of them is
the submission's own, "sha256", "check": what the static half of `check` found}.
"""

import dataclasses
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from algoperf_lite.storage import atomic
from algoperf_lite.submission import find
from scoring.logs import origins
from scoring.logs.format import SOURCES


@dataclasses.dataclass(frozen=True)
class Source:
    """A submission's files in an experiment's directory.

    Attributes:
      name: of the submission, and of the folder.
      path: of its own file.
      sha256: as it was when it was run; `find.source_sha256` of the file is to be the same.
    """

    name: str
    path: Path
    sha256: str

    @property
    def files(self) -> list[Path]:
        """All of its files, sorted."""
        return sorted(find.parts(self.path))


def keep(directory: Path, submissions: Iterable[str]) -> None:
    """Copies the files of submissions that are about to be run; what is there already stays.

    Raises ValueError as `find.locate` does.
    """
    for submission in dict.fromkeys(submissions):
        path = find.locate(submission)
        name, sha256 = find.name_of(path), find.source_sha256(path)
        about = directory / SOURCES / f"{name}.json"
        # Another text replaces what is there: none of its trials has ended, or the plan would have
        # refused it.
        if origins.read_object(about).get("sha256") == sha256:
            continue
        _copy(path, directory / SOURCES / name)
        file = path.relative_to(find.folder_of(path)).as_posix()
        # Last, since it says that the files are there.
        atomic.write_json(about, {"file": file, "sha256": sha256})


def judge(directory: Path, verdict: Callable[[Path], Mapping[str, Any]]) -> None:
    """Writes down what `verdict` says of each submission's kept files, once."""
    for name, source in find_all(directory).items():
        about = directory / SOURCES / f"{name}.json"
        content = origins.read_object(about)
        if "check" not in content:
            atomic.write_json(about, {**content, "check": verdict(source.path)})


def find_all(directory: Path) -> dict[str, Source]:
    """The sources in a directory, by name; one without its file or its description is none."""
    found = {}
    for about in sorted((directory / SOURCES).glob("*.json")):
        content, name = origins.read_object(about), about.stem
        file, sha256 = content.get("file"), content.get("sha256")
        if not isinstance(file, str) or not isinstance(sha256, str):
            continue
        path = (about.with_suffix("") / file).resolve()
        # The description may be a stranger's, and is not to lead elsewhere.
        if path.is_relative_to((directory / SOURCES / name).resolve()) and path.is_file():
            found[name] = Source(name, path, sha256)
    return found


def of(sources: Mapping[str, Source], submission: str) -> Source | None:
    """The source of what logs call 'nadamw+uba(phi=5)@0.25'; None where it is not kept."""
    # The longest, since a name may itself have what is put between it and a schedule.
    names = [n for n in sources if submission == n or submission.startswith((f"{n}+", f"{n}@"))]
    return sources[max(names, key=len)] if names else None


def _copy(path: Path, target: Path) -> None:
    """Replaces the folder by a submission's files, where they lie in the submission's folder."""
    if target.is_dir():
        shutil.rmtree(target)
    for file in find.parts(path):
        copied = target / file.relative_to(find.folder_of(path))
        atomic.write_bytes(copied, file.read_bytes())
