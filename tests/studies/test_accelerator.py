"""The study of an accelerator: its children, its tables on made-up findings, and a tiny run."""

import json
import os
import subprocess
import sys
import time

import pytest

import workloads
from studies.accelerator import children, published, study, tables, trials
from studies.accelerator.children import Children, Job

READY = 'import sys; tell = lambda text: print("@@" + text, flush=True); tell(\'{"ready": 0}\');'
GOES = READY + "sys.stdin.readline() or sys.exit();"
PROGRAMS = {
    "well": GOES + 'print("noise"); tell(\'{"found": {"seconds": 1}}\')',
    "raises": 'print(\'@@{"found": {"error": "no"}}\', flush=True); raise SystemExit(1)',
    "killed": GOES + "import os; os.kill(os.getpid(), 9)",
    "hangs": GOES + "import time; time.sleep(600)",
    "slow": "import time; time.sleep(600)",
    "cached": READY + "",
}


@pytest.fixture
def started(tmp_path):
    made = Children(
        lambda job: [sys.executable, "-c", PROGRAMS[job.section]],
        lambda section: dict(os.environ),
        tmp_path / "log.txt",
        slots=3,
        save=lambda: None,
    )
    yield made
    made.close()


def test_what_crashes_hangs_or_is_slow_costs_its_own_findings_only(started):
    jobs = [Job(name, name) for name in ("slow", "hangs", "killed", "raises", "well")]
    until = time.monotonic() + 60
    # The slow one has a slot until the end, and others go through the two that are left.
    while len(jobs) or sum(child.is_preparing for child in started._children) > 1:
        started.prepare(jobs, time.monotonic() + 0.5)
        assert time.monotonic() < until
    order = ["killed", "well", "hangs"]
    started.measure(lambda job: order.index(job.section), seconds=5.0, until=until)
    assert [one["section"] for one in started.found] == ["raises", *order]
    found = {one["section"]: one for one in started.found}
    assert found["well"]["seconds"] == 1
    assert found["killed"]["error"] == "killed by signal 9"
    assert found["hangs"]["error"] == "took too long, so it was ended"
    assert [job.item for job in started.close()] == ["slow"]


def test_what_only_compiles_comes_again_to_measure(started):
    jobs = [Job("well", "a", compile_only=True), Job("raises", "b", compile_only=True)]
    started._command = lambda job: [
        *(sys.executable, "-c"),
        PROGRAMS["cached" if job == Job("well", "a", compile_only=True) else job.section],
    ]
    started.prepare(jobs, time.monotonic() + 60)
    started.measure(str, seconds=60.0, until=time.monotonic() + 60)
    assert jobs == []
    # A compilation that failed is tried once more, and no oftener.
    assert [(one["item"], one.get("error")) for one in started.found] == [
        *(("b", "no"), ("b", "no"), ("a", None))
    ]


def test_nothing_is_begun_when_time_is_over(started):
    jobs = [Job("well", "a")]
    started.prepare(jobs, time.monotonic() + 60)
    started.measure(str, seconds=60.0, until=time.monotonic())
    assert started.found == []
    assert children.named([*started.close(), Job("well", "a")]) == ["well a"]


# --- jobs and constants --------------------------------------------------------------------


def test_all_full_workloads_are_measured_and_have_what_they_are_held_against():
    full = [job for job in study.jobs(["full"], tiny=False) if job.item.endswith(":own")]
    names = {job.item.partition(":")[0] for job in full}
    assert names == {name for name in workloads.names() if name != "digits"}
    assert names == published.ALGOPERF_SECONDS.keys() == published.STEP_FLOPS.keys()
    assert all(job.compile_only for job in full)


def test_four_more_are_in_bfloat16_and_tiny_is_one_of_each():
    more = [job.item for job in study.jobs(study.SECTIONS, tiny=False)]
    assert sum(item.endswith(":bfloat16") for item in more) == 4
    tiny = study.jobs(study.SECTIONS, tiny=True)
    assert [job.section for job in tiny] == ["full", "lite", "populations"]


def test_the_largest_full_workload_measures_last():
    turns = sorted(study.jobs(study.SECTIONS, tiny=False), key=study._turn)
    assert turns[0].section == "lite"
    last = [job for job in turns if job.section == "full"][-1]
    assert last.item == "finewebedu_lm:own"


def test_peaks_are_of_the_device_and_the_precision():
    assert published.peak_flops("NVIDIA H200", "tf32") == 495e12
    assert published.peak_flops("NVIDIA A100-SXM4-40GB", "bfloat16") == 312e12
    assert published.peak_flops("cpu", "tf32") is None


# --- tables --------------------------------------------------------------------------------

CARD = {"section": "card", "item": "device", "device": "NVIDIA H100 80GB HBM3", "driver": "cuda"}


def full(way, share, seconds, **changes):
    return {
        **{"section": "full", "item": "wmt:own", "way": way, "share": share, "seconds": seconds},
        **{"batch": 128 // share, "precision": "tf32", "flops": 2.821e13 / share},
        **{"finite": True, "temp_gb": 50.71, "peak_gb": 54.0},
        **{"trace_seconds": 6.2, "compile_seconds": 41.0, **changes},
    }


def test_full_steps_stand_beside_bare_ones_and_algoperf():
    found = [CARD, full("native", 4, 0.025), full("native", 1, 0.1), full("bare", 1, 0.08)]
    lines = list(tables.tables(found))
    # 28.21 TFLOP in 0.1 s are 282.1 TFLOP/s, 57% of 495; AlgoPerf takes 0.125 s.
    whole = "| wmt | 128 | tf32 | 0.1000 | 0.0800 | 1.250 | 282.1 | 57% | 50.7 | 54.0 | 6, 41 "
    assert whole + "| 0.125 | 1.2 |" in lines
    assert any(line.startswith("| wmt | 32 | tf32 | 0.0250 |  |  | 282.1") for line in lines)
    assert lines[0] == "| card | NVIDIA H100 80GB HBM3 |"


def test_a_step_that_is_not_finite_says_so_and_an_unknown_device_has_no_utilisation():
    [row] = [
        line
        for line in tables.tables([full("native", 1, 0.1, finite=False, peak_gb=None)])
        if line.startswith("| wmt")
    ]
    assert row.startswith("| wmt | 128 | tf32 | 0.1000 (not finite) |  |  | 282.1 |  | 50.7 |  |")


def test_a_tiny_step_is_held_against_nothing():
    lines = list(tables.tables([CARD, full("native", 1, 0.1, flops=None)]))
    assert "| wmt | 128 | tf32 | 0.1000 |  |  |  |  | 50.7 | 54.0 | 6, 41 |  |  |" in lines


def test_lite_modes_and_populations():
    seconds = {"loop": 0.002, "single": 0.001, "bare_jit": 0.0008, "bare_scan": 0.0009}
    lite = {
        **{"section": "lite", "item": "digits", "seconds": seconds, "fastest": "single"},
        **{"overhead": 1.25, "budget_seconds": 0.3, "apart": {"again": 0.0, "loop": 1e-6}},
    }
    populations = {"section": "populations", "item": "digits", "seconds": {"16": 1e-4, "2": 2e-4}}
    lines = list(tables.tables([lite, populations]))
    assert "| digits | 2.000 | 1.000 | 0.800 | 0.900 | single | 1.250 | 0.30 | 0 | 1e-06 |" in lines
    assert "| ms per step and member | 2 together | 16 together |" in lines
    assert "| digits | 0.2000 | 0.1000 |" in lines


def test_what_failed_is_named_and_in_no_table():
    lines = list(tables.tables([full("bare", 1, 0.1) | {"error": "RESOURCE_EXHAUSTED"}]))
    assert lines == ["- full wmt:own bare 128: RESOURCE_EXHAUSTED"]


def test_trials_that_shared_a_process_have_its_ledger_once():
    own = {"setup": 1.0, "compile": 2.0, "update_params": 3.0, "init": 0.5, "eval": 1.0}
    own |= {"data_selection": 0.0, "prepare_for_eval": 0.0}
    record = {
        **{"workload": "digits", "status": "reached", "steps": 3, "time_to_target": 3.0},
        **{"stepping": {"mode": "single"}, "ledger": own},
    }
    alone = trials.summary([record, {**record, "ledger": {**own, "setup": 9.0}}])
    assert alone["parts"] == {"setup": 10.0, "compile": 4.0, "steps": 7.0, "evals, logs": 2.0}
    together = trials.summary([{**record, "population": {"ledger": own}}] * 2)
    assert together["parts"]["setup"] == 1.0
    assert together["trials"][0]["seconds_per_step"] == 1.0
    found = {"section": "trials", "item": "five", "wall": 9.0, **together}
    row = "| five | 9.0 | 1.0 | 2.0 | 3.5 | 1.0 | digits reached after 3 steps of 1000.000 ms "
    assert row + "(single) |" in list(tables.tables([found]))


@pytest.mark.slow
def test_all_sections_run_small_on_a_cpu(tmp_path):
    command = [sys.executable, "-m", "studies.accelerator", "--tiny", "--budget=3000", "--slots=2"]
    done = subprocess.run(
        [*command, f"--output={tmp_path}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "accelerator.json").read_text())["found"]
    assert [one for one in found if "error" in one] == [], (tmp_path / "output.txt").read_text()
    assert {one["section"] for one in found} == set(study.SECTIONS)
    ways = [(one["way"], one["share"]) for one in found if one["section"] == "full"]
    assert ways == [("native", 4), ("native", 1), ("bare", 1)]
    assert "| criteo1tb |" in done.stdout


@pytest.mark.accelerator
def test_the_card_of_an_accelerator_is_known(tmp_path):
    command = [sys.executable, "-m", "studies.accelerator", "--tiny", "--only=card"]
    done = subprocess.run(
        [*command, "--budget=300", f"--output={tmp_path}"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said, rates = json.loads((tmp_path / "accelerator.json").read_text())["found"]
    assert said["platform"] != "cpu"
    assert said["bytes_limit"] > 2**30
    assert published.peak_flops(said["device"], "tf32"), f"no datasheet of {said['device']}"
    assert rates["copied_gb_per_second"] > 0
    assert rates["tflops"].keys() == {"bfloat16", "tf32", "float32"}


@pytest.mark.slow
def test_operations_are_as_xla_counts_them():
    from studies.accelerator import full as full_section

    for name in ("criteo1tb", "ogbg"):
        counted = full_section.counted_flops(name)
        assert counted == pytest.approx(published.STEP_FLOPS[name], rel=0.01)


def test_a_precision_is_the_type_that_a_model_computes_in():
    from studies.accelerator import full as full_section

    own = full_section.loaded("finewebedu_lm", "full", "own")
    assert own.config.dtype == "bfloat16"
    assert full_section.loaded("finewebedu_lm", "lite", "bfloat16").config.dtype == "bfloat16"
