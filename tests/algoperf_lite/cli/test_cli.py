"""What a user types and what comes back."""

import json
import subprocess
import sys

import pytest

CLI = [sys.executable, "-m", "algoperf_lite"]


def _call(*arguments):
    return subprocess.run([*CLI, *arguments], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["rnu"], "unknown command 'rnu'; did you mean 'run'?"),
        (["list", "workload"], "unknown kind 'workload'; did you mean 'workloads'?"),
        (["run", "--submissions=nadam"], "unknown submission 'nadam'; did you mean 'nadamw'?"),
        (
            ["run", "--submissions=nadamw", "--workloads=digit"],
            "unknown workload 'digit'; did you mean 'digits'?",
        ),
        (["run", "--submissions=nadamw", "--scale=ful"], "did you mean 'full'?"),
        (
            ["run", "--submissions=nadamw", "--tuning_ruleset=selv"],
            "unknown ruleset 'selv'; did you mean 'self'?",
        ),
        (["run", "--submissions=nadamw", "--num_studies=0"], "got '0'; expected a whole number"),
        (["run", "--submissions=nadamw", "--rng_seed=-1"], "got '-1'; expected a whole number"),
        (["run", "--submissions=nadamw,nadamw"], "nadamw is listed twice"),
        (["run", "--submissions=,"], "got an empty list"),
        (["run"], "required: --submissions"),
        (["run", "--submissions=nadamw", "--benchmark=lit"], "did you mean 'lite'?"),
        (["run", "--submissions=nadamw", "--cores_per_trial=4096"], "does not fit the"),
        (["score", "/nowhere"], "/nowhere"),
        (
            ["run", "--submissions=nadamw", "--workloads=criteo1tb_layernrom"],
            "unknown workload 'criteo1tb_layernrom'; did you mean 'criteo1tb_layernorm'?",
        ),
        (
            ["run", "--submissions=nadamw", "--workloads=digits,held_out"],
            "--workloads=held_out needs --held_out_seed",
        ),
        (["run", "--submissions=nadamw", "--schedules=cosin"], "did you mean 'cosine'?"),
        (["run", "--submissions=nadamw", "--schedules=uba:phi=0"], "expected a number above 0"),
        (["run", "--submissions=nadamw", "--budgets=0.5,2"], "got '2'; expected parts of the step"),
        (["run", "--submissions=nadamw", "--numstudies=1"], "unrecognized arguments"),
        (
            ["run", "--submissions=nadamw", "--vectorize=trial"],
            "unknown way to vectorize 'trial'; did you mean 'trials'?",
        ),
        (["plot_schedules", "--schedules=cosine,uba:ph=2"], "parameter of uba 'ph'; did you mean"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(arguments, sentence):
    answer = _call(*arguments)
    assert answer.returncode == 2, answer.stderr
    assert sentence in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert answer.stderr.startswith("algoperf-lite: ")
    assert answer.stdout == ""


def test_two_files_of_one_name_are_refused(tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.py").write_text("")
    answer = _call("run", f"--submissions={tmp_path}/a/x.py,{tmp_path}/b/x.py")
    assert answer.returncode == 2
    assert "would both be called 'x'" in answer.stderr


def test_a_schedule_cannot_replace_what_a_file_does_not_define(tmp_path):
    (tmp_path / "x.py").write_text("def optimizer(workload, hyperparameters): pass\n")
    answer = _call("run", f"--submissions={tmp_path}/x.py", "--schedules=cosine")
    assert answer.returncode == 2
    assert "'x' defines no schedule(workload, hyperparameters)" in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_what_steps_in_python_cannot_be_vectorized(tmp_path):
    (tmp_path / "x.py").write_text("def update_params(workload): pass\n")
    answer = _call("run", f"--submissions={tmp_path}/x.py", "--vectorize=trials")
    assert answer.returncode == 2
    assert "'x' is in AlgoPerf's form (update_params)" in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_list_names_everything_with_a_line():
    found = json.loads(_call("list", "--json").stdout)
    assert {"digits", "criteo1tb", "finewebedu_lm"} <= set(found["workloads"])
    assert found["workloads"]["criteo1tb"].endswith(" Variants: layernorm, embed_init, resnet.")
    assert {"nadamw", "nesterov", "adamw_wsd"} <= set(found["submissions"])
    assert {"cosine", "wsd", "over", "power"} <= set(found["schedules"])
    assert {"lite", "algoperf_v06"} <= set(found["benchmarks"])
    assert all(line for kind in found.values() for line in kind.values())
    text = _call("list", "submissions").stdout
    assert text.startswith("submissions\n")


def test_schedules_are_plotted(tmp_path):
    path = tmp_path / "a.svg"
    answer = _call("plot_schedules", "--schedules=cosine,uba:phi=5", f"--output={path}")
    assert answer.stdout == f"schedules: {path}\n"
    assert path.read_text().startswith("<?xml")


def test_help_knows_every_command():
    text = _call("--help").stdout
    for command in ("quickstart", "list", "run", "score", "calibrate", "plot_schedules"):
        assert command in text
