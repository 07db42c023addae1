"""A pack of an experiment, as the command and Python users ask for it.

It holds what `score`, `report` and `verify` read: logs, records, what the experiment wrote down
about itself, and the sources of its submissions. Checkpoints and printed output stay.
"""

import importlib.metadata
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import workloads
from algoperf_lite.experiment import sources
from algoperf_lite.experiment.directory import own_benchmark, own_ruleset
from algoperf_lite.experiment.results import PackResult
from algoperf_lite.trial import attempts
from scoring.logs import origins, read
from scoring.logs import pack as packs
from scoring.logs.format import (
    DIAGNOSTICS,
    EXPERIMENT,
    LINEAGE,
    MERGED,
    RECORD,
    ROW_FILES,
    SOURCES,
)

# Of a trial's directory; beside them there are AlgoPerf's files about each attempt.
_OF_A_TRIAL = (*ROW_FILES, RECORD, LINEAGE, DIAGNOSTICS, attempts.FILE, "hparams.json")
_OF_AN_ATTEMPT = ("flags_*.json", "meta_data_*.json")
_GO_ON = "the command that started the experiment goes on with it"


def pack(directory: str | Path, output: str | Path) -> PackResult:
    """Packs a finished experiment, or several that `merge` has put together.

    Args:
      directory: of the experiment.
      output: the .zip file; an existing one is never replaced.

    Returns:
      The file and what is in it.

    Raises:
      ValueError: no experiment, trials that have not ended, a source that has changed, an output
        that is there already, or more than a pack may hold.
    """
    # Resolved, as the paths of sources are: what was given may be relative, or lead through a link.
    root, path = Path(directory).resolve(), Path(output)
    if not any((root / name).is_file() for name in (EXPERIMENT, MERGED)):
        raise ValueError(
            f"{str(root)!r} has no {EXPERIMENT}, so it is no experiment's directory; give the "
            "--output_dir of a run"
        )
    if path.suffix != ".zip":
        raise ValueError(f"{str(path)!r} is no name of a pack; give one that ends with .zip")
    trials = [root / place.path for place in read.places(root)]
    records = {trial: origins.read_object(trial / RECORD) for trial in trials}
    _check_ended(root, records)
    kept = sources.find_all(root)
    _check_sources(kept, records)
    files = {
        file.relative_to(root).as_posix(): _content(root, kept, file)
        for file in _files(root, kept, trials)
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    packs.write(path, _about(root, kept, list(records.values())), files)
    return PackResult(path, len(trials), len(files), path.stat().st_size)


def _files(
    root: Path, kept: Mapping[str, sources.Source], trials: Sequence[Path]
) -> Iterator[Path]:
    """The files of an experiment that are packed."""
    yield from (root / name for name in (EXPERIMENT, MERGED) if (root / name).is_file())
    for name, source in kept.items():
        yield root / SOURCES / f"{name}.json"
        # Only what the submission is made of, whatever else was put there.
        yield from source.files
    for trial in trials:
        yield from (trial / name for name in _OF_A_TRIAL if (trial / name).is_file())
        for pattern in _OF_AN_ATTEMPT:
            yield from sorted(trial.glob(pattern))


def _content(root: Path, kept: Mapping[str, sources.Source], file: Path) -> bytes:
    """A file as it is packed: where things lay on this machine is nobody's business."""
    content = file.read_bytes()
    if not file.name.startswith("flags_"):
        return content
    flags = origins.read_object(file)
    source = sources.of(kept, file.parts[-5])
    lay = {
        "submission": source.path.relative_to(root.resolve()).as_posix() if source else "",
        "directory": file.parent.relative_to(root).as_posix(),
        "data_dir": None,
    }
    # Of a workload from elsewhere the last part is its name; that it is a path tells that it is
    # from elsewhere.
    if workloads.is_outside(str(flags.get("workload"))):
        lay["workload"] = f"./{workloads.name_of(flags['workload'])}"
    return (json.dumps({**flags, **lay}, indent=1) + "\n").encode() if flags else content


def _check_ended(root: Path, records: Mapping[Path, Mapping[str, Any]]) -> None:
    left = [trial for trial, record in records.items() if "status" not in record]
    if left:
        raise ValueError(
            f"{len(left)} of {len(records)} trials in {str(root)!r} have not ended, such as "
            f"{left[0].relative_to(root)}; {_GO_ON}"
        )
    if not records:
        raise ValueError(f"{str(root)!r} holds no trial; {_GO_ON}")


def _check_sources(
    kept: Mapping[str, sources.Source], records: Mapping[Path, Mapping[str, Any]]
) -> None:
    """Raises ValueError where a submission's files are not those that a trial ran."""
    for trial, record in records.items():
        ran, source = record.get("submission_sha256"), sources.of(kept, trial.parts[-4])
        if source is not None and ran not in (None, source.sha256):
            raise ValueError(
                f"{trial} ran another text of {source.name!r} than {source.path}; "
                "pack the directory as the run left it"
            )


def _about(
    root: Path, kept: Mapping[str, sources.Source], records: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What the manifest says beside the hashes: enough to know without unpacking what it is of."""
    it = {str(root): root}
    machines: dict[str, Any] = {}
    for record in records:
        fingerprint = record.get("fingerprint") or {}
        machines.setdefault(str(fingerprint.get("key")), fingerprint)
    machines.pop("None", None)  # of a trial that failed before it knew
    return {
        "benchmark": own_benchmark(it),
        "ruleset": own_ruleset(it),
        "packed_by": importlib.metadata.version("algoperf-lite"),
        "fingerprints": machines,
        "submissions": {name: one.sha256 for name, one in kept.items()},
        "num_trials": len(records),
    }
