"""Section "trials": experiments as a user runs them, and where their seconds went. Loads no JAX."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_FIVE_TRIALS = (
    *("--workloads=digits", "--num_studies=1", "--num_tuning_trials=5"),
    *("--budget_by=steps", "--no-stop_at_target"),
)
# The first also calibrates and compiles, so that the other two compare steps and processes.
EXPERIMENTS = {
    "self": ("--workloads=digits,finewebedu_lm", "--num_studies=1", "--tuning_ruleset=self"),
    "five, one by one": _FIVE_TRIALS,
    "five, together": (*_FIVE_TRIALS, "--vectorize=trials"),
}
TINY = {"self": ("--workloads=digits", "--num_studies=1", "--tuning_ruleset=self")}
_TINY_STEPS = "--max_global_steps=8"
# Accounts of a trial's ledger that belong together.
PARTS = {
    "setup": ("setup",),
    "compile": ("compile",),
    "steps": ("init", "data_selection", "update_params", "prepare_for_eval"),
    "evals, logs": ("eval", "log", "checkpoint"),
}


def run(
    label: str,
    tiny: bool,
    folder: Path,
    log: Path,
    environment: Mapping[str, str],
    seconds: float,
) -> dict[str, Any]:
    """What an experiment of the reference found, or {"error": ...}; at most `seconds` long.

    Its output directory is `folder`, and what it prints is added to `log`.
    """
    flags = (*TINY[label], _TINY_STEPS) if tiny else EXPERIMENTS[label]
    command = [sys.executable, "-m", "algoperf_lite", "run", "--submissions=nadamw", *flags]
    began = time.monotonic()
    with log.open("ab") as printed:
        process = subprocess.Popen(
            [*command, f"--output_dir={folder}"],
            stdout=printed,
            stderr=printed,
            env=environment,
            start_new_session=True,
        )
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return {"error": f"took longer than {seconds:.0f} s"}
    if code:
        return {"error": f"ended with code {code}; see {log.name}"}
    records = [json.loads(path.read_text()) for path in sorted(folder.rglob("trial.json"))]
    return {"flags": " ".join(flags), "wall": time.monotonic() - began, **summary(records)}


def summary(records: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Of trials' records: statuses, and seconds by part, summed over processes."""
    # Trials that shared a process have its whole ledger once.
    ledgers = {
        json.dumps(ledger, sort_keys=True): ledger
        for record in records
        for ledger in [(record.get("population") or {}).get("ledger") or record["ledger"]]
    }
    return {
        "statuses": [record["status"] for record in records],
        "trials": [
            {
                "workload": record["workload"],
                "steps": record["steps"],
                "time_to_target": record["time_to_target"],
                "stepping": record["stepping"],
                "seconds_per_step": _on_clock(record) / max(1, record["steps"]),
            }
            for record in records
        ],
        "parts": {
            part: sum(ledger.get(name, 0.0) for ledger in ledgers.values() for name in accounts)
            for part, accounts in PARTS.items()
        },
    }


def _on_clock(record: Mapping[str, Any]) -> float:
    """Seconds of steps; the import of the submission and its first state are once a trial."""
    return sum(record["ledger"][name] for name in PARTS["steps"] if name != "init")
