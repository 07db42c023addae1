"""The README's first table: written from a real run, and by nobody's hand."""

import json

import pytest

from docs import quickstart

CSV = "accumulated_submission_time,global_step,validation/{metric}\n{rows}"
METRICS = {"digits": ("accuracy", 0.99), "finewebedu_lm": ("ppl", 5.0)}
SECONDS = {"nadamw": {"digits": 0.4567, "finewebedu_lm": 17.349}, "slow": {"digits": 1.5}}


@pytest.fixture
def finished(tmp_path):
    """A finished experiment of two submissions, one of which reaches one target alone."""
    settings = {"benchmark": "lite", "ruleset": {"name": "self"}}
    (tmp_path / "experiment.json").write_text(json.dumps({"settings": settings}))
    fingerprint = {
        "key": "k",
        "git_commit": "0123456789abcdef",
        "num_cores": 1,
        "cpu": "AMD EPYC ",
        "device_kind": "cpu",
        "num_devices": 1,
        "python": "3.11.7",
        "versions": {"jax": "0.10.2"},
    }
    for submission, times in SECONDS.items():
        for workload, (metric, good) in METRICS.items():
            trial = tmp_path / submission / "study_0" / f"{workload}_jax" / "trial_1"
            trial.mkdir(parents=True)
            bad = 0.1 if metric == "accuracy" else 900.0
            seconds = times.get(workload)
            rows = f"0.1,1,{bad}\n{seconds or 60.0},100,{good if seconds else bad}\n"
            (trial / "eval_measurements.csv").write_text(CSV.format(metric=metric, rows=rows))
            status = "reached" if seconds else "not_reached"
            (trial / "trial.json").write_text(
                json.dumps({"status": status, "fingerprint": fingerprint, "timing": "measured"})
            )
    return tmp_path


def test_a_block_says_what_was_run_where_and_what_came_out(finished):
    facts = quickstart.measured(finished, 97.6, load=0.2) | {"num_cores": 2}
    lines = quickstart.block(facts).splitlines()
    assert lines[:2] == [
        "`make quickstart`, on 2 cores, AMD EPYC (CPython 3.11.7, jax 0.10.2, commit 0123456),",
        "takes 98 s once installed, and ends with",
    ]
    assert lines[3] == "| # | submission | score | reached | `digits` | `finewebedu_lm` |"
    assert lines[5] == "| 1 | nadamw | 1.000 | 2/2 | 0.457 s | 17.3 s |"
    assert lines[6].startswith("| 2 | slow | ") and lines[6].endswith("| 1/2 | 1.50 s | never |")
    assert "One study" in lines[-2]
    busy = quickstart.block(facts | {"load_before": 7.0}).splitlines()
    assert busy[1] == "takes 98 s once installed, beside other work, and ends with"


def test_the_readme_shows_what_was_measured():
    facts = json.loads(quickstart.FACTS.read_text())
    text = quickstart.README.read_text()
    assert quickstart.with_block(text, quickstart.block(facts)) == text, (
        "README.md and docs/quickstart.json differ; run `python -m docs.quickstart`"
    )


def test_what_was_measured_has_the_form_of_today(finished):
    committed = json.loads(quickstart.FACTS.read_text())
    made = quickstart.measured(finished, 1.0, load=0.2)
    assert list(committed) == list(made)
    assert list(committed["rows"][0]) == list(made["rows"][0])
    unknown = [name for name in made if committed[name] in (None, "")]
    assert not unknown, "every fact of the run is known"
    assert len(committed["rows"]) == 3
    assert all(len(row["seconds_to_target"]) == 3 for row in committed["rows"])


def test_a_directory_without_trials_and_a_readme_without_markers_are_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no trial.json"):
        quickstart.measured(tmp_path, 1.0, load=0.2)
    with pytest.raises(ValueError, match="expected one line"):
        quickstart.with_block("no markers here", "lines")
