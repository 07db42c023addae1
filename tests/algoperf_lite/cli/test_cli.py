"""What a user types and what comes back."""

import argparse
import json
import os
import subprocess
import sys

import pytest

from algoperf_lite.cli import main, quickstart, signals
from algoperf_lite.experiment import options

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
        (["run"], "--submissions is missing"),
        (["run", "--submissions=nadamw", "--benchmark=lit"], "did you mean 'lite_v"),
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
        (
            ["run", "--submissions=nadamw", "--schedules=wsd:cooldown=search"],
            "cooldown of wsd cannot be searched, since it names a shape; give its value, or search",
        ),
        (["run", "--submissions=nadamw", "--budgets=0.5,2"], "got '2'; expected parts of the step"),
        (
            ["run", "--submissions=nadamw", "--numstudies=1"],
            "unknown flag '--numstudies'; did you mean '--num_studies'?",
        ),
        # An abbreviation would run all workloads.
        (["run", "--submission=nadamw"], "did you mean '--submissions'?"),
        (["score", "runs", "--only"], "unknown flag '--only'; did you mean '--only_present'?"),
        (["--vers"], "unknown flag '--vers'; did you mean '--version'?"),
        (["replay", "lineage.jsonl"], "required: --output"),
        (["run", "--submissions=nadamw", "--no_cache"], "set the variable ALGOPERF_LITE_NO_CACHE"),
        (["run", "--submissions=nadamw", "--num_evals=80"], "40 evaluations per step hint"),
        (["run", "--submissions=nadamw", "--replay=x"], "algoperf-lite replay LINEAGE --output="),
        (["run", "--submissions=nadamw", "--use_installed_algoperf"], "so leave it out"),
        (
            ["run", "--submissions=nadamw", "--population=8", "--ready_interval=5"],
            "--population=16:ready_interval=20",
        ),
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
    assert {"lite_v1", "algoperf_v06"} <= set(found["benchmarks"])
    assert all(line for kind in found.values() for line in kind.values())
    text = _call("list", "submissions").stdout
    assert text.startswith("submissions\n")


def test_schedules_are_plotted(tmp_path):
    path = tmp_path / "a.svg"
    answer = _call("plot_schedules", "--schedules=cosine,uba:phi=5", f"--output={path}")
    assert answer.stdout == f"schedules: {path}\n"
    assert path.read_text().startswith("<?xml")


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_help_fits_a_terminal(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    for name in main.COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main.parser().parse_args([name, "--help"])
        assert ended.value.code == 0
        lines = capsys.readouterr().out.splitlines()
        assert all(len(line) <= columns for line in lines), lines


def test_help_of_run_has_a_heading_for_each_group(capsys):
    with pytest.raises(SystemExit):
        main.parser().parse_args(["run", "--help"])
    text = capsys.readouterr().out
    headings = ["what is compared", "tuning", "budget and clock", "where trials run"]
    headings += ["when something dies", "population based training", "several hosts"]
    places = [text.index(f"\n{heading}") for heading in headings]
    assert places == sorted(places)
    assert "--helpfull" not in text


def test_every_option_of_run_is_a_flag_and_the_other_way_round():
    found = vars(main.parser().parse_args(_every_flag_of_run()))
    assert set(found) - {"command", "output_dir"} == set(options.defaults())


def _every_flag_of_run():
    """A command line with all flags; those that are on or off have no value."""
    values = {
        "submissions": "nadamw",
        "schedules": "cosine",
        "budgets": "0.5",
        "scale": "lite",
        "tuning_ruleset": "self",
        "budget_by": "steps",
        "vectorize": "none",
        "requirements": "strict",
        "batch_norm": "parts",
        "executor": "local",
        "population": "4",
        "checkpoint_share": "0.5",
        "precision": "float32",
        "shard": "1/2",
        "max_studies": "5",
    }
    switches = {"stop_at_target", "count_compile", "deterministic", "diagnostics", "distributed"}
    switches |= {"race", "branch", "repeat_suspicious"}
    names = [*options.defaults(), "output_dir"]
    return [
        "run",
        *(f"--{name}" if name in switches else f"--{name}={values.get(name, 1)}" for name in names),
    ]


def test_help_knows_every_command(capsys):
    with pytest.raises(SystemExit):
        main.parser().parse_args(["--help"])
    text = capsys.readouterr().out
    assert all(command in text for command in main.COMMANDS)


def test_the_version_is_the_package_s():
    answer = _call("--version")
    assert answer.returncode == 0
    assert answer.stdout.startswith("algoperf-lite")


def test_quickstart_scores_what_it_runs(tmp_path, monkeypatch, capsys):
    """Its own three commands, without the training: the flags are read, and fit each other."""
    called = []
    for name in ("run", "score", "report"):
        module = main.COMMANDS[name]
        monkeypatch.setattr(module, "run", lambda args, name=name: called.append((name, args)) or 0)
    assert quickstart.run(argparse.Namespace(output_dir=tmp_path)) == 0
    found = dict(called)
    assert list(found) == ["run", "score", "report"]
    assert found["run"].workloads == ["quick"] and found["run"].output_dir == tmp_path
    assert found["score"].only_present and found["report"].only_present
    assert found["score"].directory == found["report"].directory == [tmp_path]
    shown = capsys.readouterr().out
    assert f"algoperf-lite score {tmp_path} --only_present" in shown


@pytest.mark.parametrize(
    "line", [[*CLI, "list"], [sys.executable, "-m", "studies.measurements.multipliers"]]
)
def test_a_reader_that_has_seen_enough_ends_the_command_without_a_word(line):
    """As `head` does."""
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(line, stdout=writes, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(writes)
    assert (done.stderr, done.returncode) == ("", signals.UNREAD)


def test_another_pipe_that_breaks_is_no_reader_that_has_gone():
    with pytest.raises(BrokenPipeError, match="of a child"):
        try:
            raise BrokenPipeError("of a child")
        except BrokenPipeError:
            signals.nobody_reads()
