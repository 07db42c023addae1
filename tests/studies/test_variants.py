"""The study of variants: its tables say who is let through a gate, and who is not."""

import dataclasses

import pytest

from scoring import benchmark
from studies import variants

LITE = dataclasses.replace(benchmark.load("lite"), base_workloads=("wmt", "ogbg"))
DRAWN = LITE.with_held_out(0)
OF_WMT, OF_OGBG = DRAWN.held_out_workloads
HEADER = "accumulated_submission_time,global_step,score,validation/{}"
# Steps to target; None: never.
STEPS = {
    "steady": {"wmt": 900, "ogbg": 900, OF_WMT: 800, OF_OGBG: 800},
    "narrow": {"wmt": 600, "ogbg": 600, OF_WMT: None, OF_OGBG: 700},
    "late": {"wmt": 1200, "ogbg": 1200, OF_WMT: 1300, OF_OGBG: 1300},
}


@pytest.fixture
def board(tmp_path):
    for name, by_workload in STEPS.items():
        for workload, steps in by_workload.items():
            target = LITE.workloads[workload]
            folder = tmp_path / name / "study_0" / f"{workload}_jax" / "trial_1"
            folder.mkdir(parents=True)
            # Both metrics are of the kind that grows.
            last = 0.0 if steps is None else target.value + 1
            rows = f"1,10,1,0.0\n9,{steps or 4000},9,{last}\n"
            (folder / "eval_measurements.csv").write_text(f"{HEADER.format(target.metric)}\n{rows}")
            (folder / "trial.json").write_text('{"status": "reached"}')
    return tmp_path


def test_a_gate_takes_a_family_and_with_it_a_place(board):
    lines = list(variants.gates_table(board, list(STEPS), LITE, {0: DRAWN}))
    assert lines[2:5] == [
        "| narrow | 1.000, place 1 | 0.500, place 3 | wmt |",
        "| steady | 0.833, place 2 | 0.917, place 1 | - |",
        "| late | 0.667, place 3 | 0.778, place 2 | - |",
    ]
    assert lines[-1].startswith("Kendall's tau of the scores without and with draw 0: -0.33; ")


def test_of_two_submissions_nothing_is_said_of_their_order(board):
    lines = list(variants.gates_table(board, ["steady", "late"], LITE, {0: DRAWN}))
    assert len(lines) == 5, "narrow is not there, and no tau"
    assert not any("narrow" in line for line in lines)


def test_a_row_has_steps_on_the_base_and_on_the_variant():
    def record(steps, best):
        status = "not_reached" if steps is None else "reached"
        hint = {"step_hint": 1000, "steps": 1500}
        told = {"status": status, "best": best, "target": 94.0, "study": 0}
        return {**hint, **told, "steps_to_target": steps}

    found = {
        "steady": {"wmt": [record(900, 95)], OF_WMT: [record(800, 95)]},
        "narrow": {"wmt": [record(600, 95)], OF_WMT: [record(None, 93)]},
    }
    *_, row = variants.variants_table(found, [OF_WMT], LITE)
    assert row.endswith(" | 0.90; 0.80 | 0.60; best 93 at 1.50 |")
    assert row.startswith(f"| {OF_WMT} | bleu ")


def test_without_a_board_the_sentence_says_where_leaders_come_from(tmp_path):
    with pytest.raises(ValueError, match=r"no board whose leaders .* studies\.board"):
        variants._leaders(tmp_path / "nowhere", LITE)
