"""An experiment's output directory: what it holds, who may use it, on what terms."""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from algoperf_lite.experiment import locks, sources
from algoperf_lite.experiment.config import GONE
from algoperf_lite.experiment.shard import WHOLE, Shard
from algoperf_lite.storage import atomic
from algoperf_lite.training.calibration import Calibration
from algoperf_lite.trial.config import BENCHMARKS, ExperimentConfig
from scoring import benchmark
from scoring.logs import origins

FILE = "experiment.json"


class Directory:
    """An experiment's output directory, held by one process at a time, or by one for each shard.

    `experiment.json` in it says what experiment it is and how this machine was calibrated for it,
    so that a resumed experiment, and every shard, continues on the same terms.
    """

    def __init__(self, path: Path, config: ExperimentConfig, shard: Shard = WHOLE):
        """Raises ValueError for a directory in use, not this experiment's, or that cannot be
        written."""
        self.path, self._file, self._config, self._shard = path, path / FILE, config, shard
        self._held = contextlib.ExitStack()
        try:
            _content(path, config)  # before anything is made: this may be somebody else's folder
            self._is_new = not self._file.exists()
            path.mkdir(parents=True, exist_ok=True)
            locks.hold(path, shard, self._held)
            self._update({})
        except ValueError:
            self._held.close()
            raise
        except OSError as error:
            self._held.close()
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
        if self._is_new and self._shard.is_whole:  # other shards may be about to use it
            for found in (self._file, *locks.files(self.path)):
                found.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # somebody else's file is in it
                self.path.rmdir()

    def keep(self, workload: str, calibration: Calibration) -> None:
        """Adds a calibration; one that is already here stays, as trials ran on its terms."""
        self._update({workload: dataclasses.asdict(calibration)})

    def keep_sources(self, submissions: Iterable[str]) -> None:
        """Copies the files of submissions that are about to be run, see `sources.keep`."""
        with self._alone(locks.FILE):  # other shards are about to run the same ones
            sources.keep(self.path, submissions)

    def planned(self, num_trials: int) -> None:
        """Notes how many trials the experiment has, all shards together, for whoever watches it."""
        self._update({}, num_trials=num_trials)

    def suspected(self, ratios: Mapping[str, float]) -> None:
        """Notes which trials were slower than their twins, and how many times, by their paths."""
        self._update({}, slow_trials={path: round(ratio, 3) for path, ratio in ratios.items()})

    @contextlib.contextmanager
    def calibrating(self, say: Callable[[str], None]) -> Iterator[None]:
        """The time in which this process alone calibrates; waits for its turn, which it says.

        What another one has calibrated by then is among `calibrations`.
        """
        sentence = "waiting for another part of this experiment to calibrate"
        with self._alone(locks.CALIBRATION, lambda: say(sentence)):
            self._update({})
            yield

    def __enter__(self) -> "Directory":
        return self

    def __exit__(self, *exception: object) -> None:
        self._held.close()

    def _update(self, calibrations: Mapping[str, Any], **facts: Any) -> None:
        """Adds calibrations to what is in the file by now, of which other shards may have put, and
        sets facts."""
        with self._alone(locks.FILE):
            self._content = _content(self.path, self._config)
            kept = {**calibrations, **self._content["calibration"]}
            self._content = {**self._content, "calibration": kept, **facts}
            atomic.write_json(self._file, self._content)

    @contextlib.contextmanager
    def _alone(self, name: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """The time in which no other shard holds the lock `name`; who runs all is alone anyway."""
        with contextlib.ExitStack() as until_the_end:
            if not self._shard.is_whole:
                locks.wait(self.path / name, until_the_end, on_wait)
            yield


def _content(path: Path, config: ExperimentConfig) -> dict[str, Any]:
    """What experiment.json holds, or will.

    Raises ValueError for a directory that is not this experiment's.
    """
    wanted = _plain(config)
    del wanted["ruleset"]["num_studies"]  # studies are independent: more may be added
    found = _read_json(path / FILE)
    if found is None and path.exists() and _foreign(path):
        raise ValueError(
            f"output directory {str(path)!r} holds {_foreign(path)!r} but no {FILE}, "
            "so it is not an experiment's; choose another --output_dir"
        )
    gone = [name for name in GONE if found is not None and name in found["settings"]]
    if gone:
        raise ValueError(
            f"output directory {str(path)!r} was run with "
            f"{gone[0]}={found['settings'][gone[0]]!r}, which `run` has no more, so it can be "
            "scored but not continued; choose another --output_dir"
        )
    if found is not None and found["settings"] != wanted:
        raise ValueError(
            f"output directory {str(path)!r} holds another experiment "
            f"({_difference(found['settings'], wanted)}); "
            "choose another --output_dir or repeat that experiment's flags"
        )
    return found or {"settings": wanted, "calibration": {}}


def _foreign(path: Path) -> str | None:
    """The first thing in `path` that no experiment puts there before its experiment.json."""
    # An experiment may lie within another's folder, as that of multipliers does.
    within = (item for item in sorted(path.iterdir()) if not (item / FILE).is_file())
    # Another shard may be writing the file at this moment, and who is killed leaves a part of it.
    ours = (FILE, f".{FILE}.")
    names = (item.name for item in within if not locks.is_one(item))
    return next((name for name in names if not name.startswith(ours)), None)


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """'rng_seed is 1 there and 0 here, ...' for two nested configurations."""
    found, wanted = _flat(found), _flat(wanted)
    names = [name for name in {**found, **wanted} if found.get(name) != wanted.get(name)]
    return ", ".join(f"{n} is {found.get(n)!r} there and {wanted.get(n)!r} here" for n in names)


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    ruleset = {f"ruleset.{name}": value for name, value in config["ruleset"].items()}
    return {name: value for name, value in config.items() if name != "ruleset"} | ruleset


def _plain(config: ExperimentConfig) -> dict[str, Any]:
    """The configuration as JSON would give it back."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def _read_json(path: Path) -> dict[str, Any] | None:
    """Content of a JSON file; None where there is none.

    Raises ValueError for a file that is none of ours.
    """
    try:
        content = json.loads(path.read_text())
        content["settings"]["ruleset"], content["calibration"]  # KeyError if it is no such file
        # A file from before a setting was added is of an experiment on its default; a setting that
        # is gone matters where it meant something else than what happens now.
        defaults = _plain(ExperimentConfig())
        content["settings"]["benchmark"] = versioned(content["settings"]["benchmark"])
        kept = {n: v for n, v in content["settings"].items() if n not in GONE or v != GONE[n]}
        content["settings"] = {**defaults, **kept}
        return content
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} cannot be read as an experiment's configuration ({error}); choose another "
            "--output_dir"
        ) from None


def versioned(name: str) -> str:
    """The name of a directory's benchmark; before there were versions, `lite` was the first, and a
    file was noted down as it was given."""
    return "lite_v1" if name == "lite" else benchmark.resolved(name)


def own_benchmark(directories: Mapping[str, Path]) -> str:
    """Name of the benchmark that experiments were run on; that of `run` by default where none says
    so, as AlgoPerf's logs do not.

    Args:
      directories: {what people call it: a directory}.
    Raises ValueError, one sentence, where they differ.
    """
    found = _own(directories, "benchmark", lambda settings: versioned(settings["benchmark"]))
    return found or BENCHMARKS["lite"]


def own_ruleset(directories: Mapping[str, Path]) -> str:
    """Name of the ruleset, as `own_benchmark` has it."""
    found = _own(directories, "tuning_ruleset", lambda settings: settings["ruleset"]["name"])
    return found or ExperimentConfig.ruleset.name


def _own(
    directories: Mapping[str, Path], flag: str, read: Callable[[Mapping[str, Any]], str]
) -> str | None:
    """What all experiments say; None where none says anything."""
    said: dict[str, str] = {}
    for name, path in directories.items():
        for experiment in origins.experiments(path):
            # A damaged file says nothing, and logs can be scored without it.
            with contextlib.suppress(LookupError, TypeError, AttributeError):
                said.setdefault(str(read(experiment["settings"])), name)
    if len(said) > 1:
        (one, first), (other, second), *_ = said.items()
        raise ValueError(
            f"{first!r} is of {flag} {one!r} and {second!r} of {other!r}, which do not compare; "
            f"take them one by one, or choose by --{flag}"
        )
    return next(iter(said), None)
