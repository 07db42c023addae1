"""The search for parameter multipliers, by which AlgoPerf's learning rates suit a smaller model.

NAdamW trains at the point that AlgoPerf has published for a family, with the parameters stored
divided by each of several multipliers m, several seeds each. The m whose median of best validation
metrics is best is kept; between it and its neighbours half-way values (by a factor of sqrt 2) are
tried once. What a multiplier is: `workloads.linen.LinenWorkload`.
"""

import dataclasses
import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import workloads
from algoperf_lite.experiment import target_search
from algoperf_lite.experiment.published import nadamw_point
from algoperf_lite.machine.numerics import USUAL, Numerics
from algoperf_lite.storage import atomic
from algoperf_lite.training.calibration import REFERENCE, Calibration
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec

VALUES = (1.0, 2.0, 4.0, 8.0, 16.0)
# A multiplier that is not a power of two rounds; that costs nothing but the last bit.
_HALF_WAY = math.sqrt(2.0)
Runs = Mapping[float, Sequence[TrialSpec]]  # by multiplier


@dataclasses.dataclass(frozen=True)
class MultiplierSearch:
    """The search for multipliers.

    Attributes:
      scale: "lite" or "full".
      num_seeds: runs of each multiplier.
      rng_seed: of the runs.
      folder: where all runs are kept.
      values: multipliers to begin with.
      numerics: of all runs.
      data_dir: of the data sets that are read from files, as trials find it.
    """

    scale: str
    num_seeds: int
    rng_seed: int
    folder: Path
    values: tuple[float, ...] = VALUES
    numerics: Numerics = USUAL
    data_dir: str | None = None

    @property
    def config(self) -> ExperimentConfig:
        """The configuration of all runs."""
        return target_search.config_without_target(
            self.scale, self.rng_seed, numerics=self.numerics
        )

    def coarse(self, family: str, calibration: Calibration) -> dict[float, list[TrialSpec]]:
        """The runs of a family to begin with, by multiplier."""
        return self._runs(family, calibration, self.values)

    def fine(
        self, family: str, calibration: Calibration, coarse: Runs
    ) -> dict[float, list[TrialSpec]]:
        """The runs on both sides of the best multiplier of `coarse`, by multiplier."""
        found = best(coarse)
        return self._runs(family, calibration, (found / _HALF_WAY, found * _HALF_WAY))

    def _runs(
        self, family: str, calibration: Calibration, values: Iterable[float]
    ) -> dict[float, list[TrialSpec]]:
        return {
            value: [self._trial(family, calibration, value, s) for s in range(self.num_seeds)]
            for value in values
        }

    def _trial(
        self, family: str, calibration: Calibration, multiplier: float, study: int
    ) -> TrialSpec:
        place = self.folder / f"{multiplier:.4g}" / REFERENCE / f"study_{study}"
        run = target_search.trial_without_target(
            *(REFERENCE, family, calibration),
            *(place / f"{workloads.name_of(family)}_jax", self.config),
            data_dir=self.data_dir,
        )
        return dataclasses.replace(
            run,
            study=study,
            hyperparameters=nadamw_point(family),
            parameter_multiplier=multiplier,
        )


def value(runs: Iterable[TrialSpec]) -> float:
    """The median of runs' best validation metrics, lower is better; infinite if most diverged."""
    return statistics.median(map(target_search.value, runs))


def best(runs: Runs) -> float:
    """The multiplier with the best `value`; of equal ones the smallest."""
    return min(sorted(runs), key=lambda multiplier: value(runs[multiplier]))


def write(family: str, scale: str, command: str, runs: Runs) -> dict[str, Any]:
    """Writes what was found to the family's file, and returns it; other scales stay as they are.

    Raises ValueError where all runs diverged.
    """
    found = best(runs)
    if math.isinf(value(runs[found])):
        raise ValueError(f"every multiplier diverged on {family!r}; see {runs[found][0].directory}")
    record = target_search.record(runs[found][0])
    entry = {
        "value": float(f"{found:.4g}"),
        # How it came about, so that anybody can ask why the value is what it is.
        "provenance": {
            **target_search.origin(record, command),
            "submission": REFERENCE,
            "metric": record["metric"],
            "steps": record["step_hint"],
            "best_by_multiplier": {
                f"{multiplier:.4g}": [target_search.record(run)["best"] for run in runs[multiplier]]
                for multiplier in sorted(runs)
            },
        },
    }
    path = workloads.multiplier_path(family)
    content = json.loads(path.read_text()) if path.is_file() else {}
    atomic.write_json(path, {**content, scale: entry})
    return entry
