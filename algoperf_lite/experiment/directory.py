"""An experiment's output directory: what it holds, who may use it, on what terms."""

import contextlib
import dataclasses
import fcntl
import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from algoperf_lite.experiment.config import ExperimentConfig
from algoperf_lite.storage import atomic
from algoperf_lite.training.calibration import Calibration

FILE, _LOCK = "experiment.json", ".lock"


class Directory:
    """An experiment's output directory, held by one process at a time.

    `experiment.json` in it says what experiment it is and how this machine was calibrated for it,
    so that a resumed experiment continues on the same terms.
    """

    def __init__(self, path: Path, settings: ExperimentConfig):
        """Raises ValueError, one sentence, for a directory in use, not this experiment's, or that
        cannot be written."""
        self.path, self._file = path, path / FILE
        try:
            self._content = _content(path, settings)
            self._is_new = not self._file.exists()
            path.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(path)
            self._save()
        except OSError as error:
            if not atomic.is_refused(error):
                raise
            raise ValueError(
                f"output directory {str(path)!r} cannot be used ({error.strerror}); choose another "
                "--output_dir, or make this one a folder that can be written"
            ) from None

    def calibrations(self) -> dict[str, Calibration]:
        """Calibrations kept here, by workload."""
        kept = self._content["calibration"]
        return {name: Calibration(**fields) for name, fields in kept.items()}

    def discard(self) -> None:
        """Takes back what this object has written, if the directory was new: nothing is to run."""
        if self._is_new:
            for name in (FILE, _LOCK):
                (self.path / name).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # somebody else's file is in it
                self.path.rmdir()

    def keep(self, workload: str, calibration: Calibration) -> None:
        """Adds a calibration; one that is already here stays, as trials ran on its terms."""
        self._content["calibration"].setdefault(workload, dataclasses.asdict(calibration))
        self._save()

    def __enter__(self) -> "Directory":
        return self

    def __exit__(self, *exception: object) -> None:
        self._lock.close()

    def _save(self) -> None:
        atomic.write_json(self._file, self._content)


def _content(path: Path, settings: ExperimentConfig) -> dict[str, Any]:
    """What experiment.json holds, or will.

    Raises ValueError, one sentence, for a directory that is not this experiment's.
    """
    wanted = json.loads(json.dumps(dataclasses.asdict(settings)))
    del wanted["ruleset"]["num_studies"]  # studies are independent: more may be added
    found = _read_json(path / FILE)
    if found is None and path.exists() and _foreign(path):
        raise ValueError(
            f"output directory {str(path)!r} holds {_foreign(path)!r} but no {FILE}, "
            "so it is not an experiment's; choose another --output_dir"
        )
    if found is not None and found["settings"] != wanted:
        raise ValueError(
            f"output directory {str(path)!r} holds another experiment "
            f"({_difference(found['settings'], wanted)}); "
            "choose another --output_dir or repeat that experiment's flags"
        )
    return found or {"settings": wanted, "calibration": {}}


def _lock(path: Path) -> IO[str]:
    """An exclusive lock that the system drops when its owner dies."""
    file = (path / _LOCK).open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise ValueError(
            f"output directory {str(path)!r} is in use by another run; "
            "wait for it or choose another --output_dir"
        ) from None
    return file


def _foreign(path: Path) -> str | None:
    """The first thing in `path` that no experiment puts there before its experiment.json."""
    return next((item.name for item in sorted(path.iterdir()) if item.name != _LOCK), None)


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """'rng_seed is 1 there and 0 here, ...' for two nested settings."""
    found, wanted = _flat(found), _flat(wanted)
    names = [name for name in {**found, **wanted} if found.get(name) != wanted.get(name)]
    return ", ".join(f"{n} is {found.get(n)!r} there and {wanted.get(n)!r} here" for n in names)


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    ruleset = {f"ruleset.{k}": v for k, v in settings["ruleset"].items()}
    return {k: v for k, v in settings.items() if k != "ruleset"} | ruleset


def _defaults() -> dict[str, Any]:
    fields = dataclasses.fields(ExperimentConfig)
    return {f.name: f.default for f in fields if f.default is not dataclasses.MISSING}


def _read_json(path: Path) -> dict[str, Any] | None:
    """Content of a JSON file; None where there is none.

    Raises ValueError for a file that is none of ours.
    """
    try:
        content = json.loads(path.read_text())
        content["settings"]["ruleset"], content["calibration"]  # KeyError if it is no such file
        # A file from before a setting was added is of an experiment on its default.
        content["settings"] = {**_defaults(), **content["settings"]}
        return content
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} cannot be read as an experiment's settings ({error}); choose another "
            "--output_dir"
        ) from None
