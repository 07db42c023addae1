"""The progress of an experiment as people see it, on terminals of several widths and in a file."""

import io
import re

import pytest
from rich.console import Console

from algoperf_lite.experiment.progress import ExperimentProgress, input_bound
from algoperf_lite.training.calibration import Calibration
from algoperf_lite.trial.spec import TrialSpec
from scoring.logs.format import ON_CLOCK

CALIBRATION = Calibration(0.0043, 300, "single", 70, {"single": 0.0043, "loop": 0.1}, "key")
TRIAL = TrialSpec(
    "nadamw",
    "criteo1tb_embed_init",
    0,
    1,
    "somewhere",
    target=0.123,
)
RECORD = {
    "status": "not_reached",
    "error": None,
    "best": 0.1312,
    "target": 0.123,
    "metric": "loss",
    "scale": "lite",
    "ledger": {},
}


def _shown(width, is_terminal):
    """What a run of one trial writes, a line break for each control sequence."""
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=is_terminal, color_system=None)
    with ExperimentProgress(console) as progress:
        progress.say("wmt has no target in benchmark lite: full budget, no score")
        progress.on_calibrated("criteo1tb", CALIBRATION)
        progress.on_plan([TRIAL], [TRIAL])
        progress.on_event(TRIAL, {"event": "start"})
        progress.on_event(
            TRIAL,
            {"event": "progress", "step": 30, "metric": "loss", "value": 0.2, "horizon": 300},
        )
        progress._progress.refresh()
        progress.on_end(TRIAL, RECORD)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "\n", file.getvalue())


@pytest.mark.parametrize("width", [40, 80, 200])
def test_nothing_is_cut_on_a_terminal(width):
    shown = _shown(width, is_terminal=True)
    assert "…" not in shown
    assert all(len(line) <= width for line in shown.splitlines())
    words = " ".join(shown.split())
    # Words of a line that had to be folded stand below each other.
    assert "step 30, loss 0.2 (target 0.123)" in words
    assert "criteo1tb_embed_init" in words
    assert "so stepping is 'single'" in re.sub(r"\s+", " ", words)


def test_a_file_has_one_line_per_event():
    lines = _shown(40, is_terminal=False).splitlines()
    assert len(lines) == 5
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in lines)
    assert lines[-1].endswith("not reached, best loss 0.1312 against a target of 0.123")


def test_a_trial_that_waited_for_its_data_says_what_it_lacked():
    ledger = dict.fromkeys(ON_CLOCK, 0.0) | {"update_params": 60.0, "data_selection": 40.0}
    record = {**RECORD, "scale": "full", "steps": 300, "batch_size": 512, "ledger": ledger}
    assert "1,536 examples/s came and 2,560 were needed" in input_bound(record)
    ledger |= {"update_params": 98.0, "data_selection": 2.0}
    assert input_bound(record) == ""
    assert input_bound({**record, "ledger": {"wall": 3.0}}) == ""  # it failed before it began
