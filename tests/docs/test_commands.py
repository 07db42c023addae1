"""Every command that a document quotes is one that there is, with flags that it has, and runs."""

import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import quoted_commands
from quoted_commands import ROOT, Command

from algoperf_lite.cli import main as command_line
from studies import script

FOUND = quoted_commands.found()
WHOLE = {command: places for command, places in FOUND.items() if not command.is_mention}
RUN = quoted_commands.distinct(command for command in WHOLE if command.not_run is None)
SECONDS = 1200  # a command that hangs; on a busy machine the longest takes some minutes

OPTIMIZER = '''"""SGD."""
import optax

search_space = {"learning_rate": {"min": 1e-3, "max": 1e-1, "scaling": "log"}}
self_tuning_point = {"learning_rate": 1e-2}


def optimizer(workload, hyperparameters):
    return optax.sgd(hyperparameters.learning_rate)
'''
PAGE = """Behind a sentence, which may name `algoperf-lite run` or quote `make
test`, comes

    algoperf-lite score DIR   # and no comment
    FLAG=1 .venv/bin/python -m studies.uba \\
        --num_seeds=2
    print("a block has other lines too")

```
make quickstart
```

```python
"algoperf-lite list"
```
A line that is indented within a paragraph is none:
    algoperf-lite report
"""


def ids(command):
    return command.text if isinstance(command, Command) else None


# --- finding ------------------------------------------------------------------------------


def test_commands_are_found_in_blocks_and_sentences_and_nowhere_else():
    found = {(command.text, command.is_block) for command in quoted_commands.commands(PAGE)}
    assert found == {
        ("algoperf-lite score DIR", True),
        ("FLAG=1 .venv/bin/python -m studies.uba --num_seeds=2", True),
        ("make quickstart", True),
        ("algoperf-lite run", False),
        ("make test", False),
    }


def test_a_command_is_taken_apart():
    run = Command("A=1 B= .venv/bin/algoperf-lite run --workloads='a b'")
    assert (run.program, run.arguments) == ("algoperf-lite run", ["--workloads=a b"])
    assert run.environment == {"A": "1", "B": ""}
    module = Command("python -m algoperf_lite list workloads")
    assert (module.program, module.arguments) == ("algoperf-lite list", ["workloads"])
    study = Command("python -m studies.uba --num_seeds=2")
    assert (study.program, study.arguments) == ("studies.uba", ["--num_seeds=2"])
    inner = Command("ssh --command='cd x && .venv/bin/algoperf-lite list workloads'")
    assert (inner.program, inner.arguments) == ("algoperf-lite list", ["workloads"])
    with pytest.raises(ValueError, match="a test cannot start .* by .*ssh"):
        _ = inner.environment


def test_a_command_is_made_small_by_flags_in_place_of_its_own(tmp_path):
    run = Command(
        "algoperf-lite run --submissions=nadamw,my_optimizer.py --workloads=all "
        "--population=16:ready_interval=20"
    )
    words = run.small(tmp_path)
    assert f"--submissions=nadamw,{tmp_path}/my_optimizer.py" in words
    assert "--population=2:ready_interval=2" in words
    assert "--workloads=digits" in words and "--workloads=all" not in words
    score = Command("algoperf-lite score runs/schedules --details").small(tmp_path)
    assert score[4] == f"{tmp_path}/experiment"


def test_optional_flags_are_checked_and_not_run(tmp_path):
    command = Command("python -m tests.faults.kill_resume --cases=9 [--first=3]")
    assert command.arguments == ["--cases=9", "--first=3"]
    assert command.small(tmp_path)[2:] == ["tests.faults.kill_resume", "--cases=1"]


def test_commands_that_are_alike_when_small_run_once():
    runs = [Command(f"algoperf-lite run --workloads={name}") for name in ("all", "quick")]
    studies = [Command(f"python -m studies.uba {flag}") for flag in ("", "--num_seeds=9")]
    unknown = Command("python -m json.tool")
    found = quoted_commands.distinct([*runs, *studies, unknown])
    assert found == [runs[0], studies[0], unknown]


def test_a_command_that_nobody_can_make_small_fails_with_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="no test knows how to make .*add 'json.tool' to _SMALL"):
        Command("python -m json.tool FILE").small(tmp_path)


def test_the_documents_were_read():
    places = {place for places in FOUND.values() for place in places}
    assert {"README.md", "studies/README.md", "studies/measurements/README.md"} <= places
    assert "studies/measurements/overhead.py" in places
    scripts = [path for path in (ROOT / "studies").rglob("*.py")]
    quoted = {command.program for command in FOUND}
    for path in scripts:
        if "script.main(__doc__" in path.read_text():  # each script says its command
            assert ".".join(path.relative_to(ROOT).with_suffix("").parts) in quoted


@pytest.mark.parametrize("part", quoted_commands.NOT_RUN)
def test_what_is_not_run_still_stands_in_a_document(part):
    assert any(part in command.text for command in WHOLE), f"take {part!r} out of NOT_RUN"


# --- flags --------------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "places"), WHOLE.items(), ids=ids)
def test_a_quoted_command_has_flags_that_there_are(command, places, tmp_path, capsys):
    try:
        _parse(command)
    except (SystemExit, ValueError) as error:
        said = capsys.readouterr().err or error
        pytest.fail(f"{', '.join(places)}: {command.text!r}: {said}")
    if command.not_run is None:
        command.small(tmp_path)
        _ = command.environment


def test_a_flag_that_is_gone_is_found(capsys):
    with pytest.raises(SystemExit):
        _parse(Command("algoperf-lite run --no_such_flag"))
    with pytest.raises(SystemExit):
        _parse(Command("python -m studies.uba --no_such_flag"))
    with pytest.raises(ValueError, match="no --no_such_flag in its --help"):
        _parse(Command("python -m tests.faults.kill_resume --no_such_flag"))


def _parse(command):
    """Raises SystemExit or ValueError where the program does not take these arguments."""
    if command.program.startswith("algoperf-lite"):
        given = ["--submissions=nadamw"] if command.program == "algoperf-lite run" else []
        command_line._parse([*command.words[:2], *given, *command.arguments])
    elif command.program.startswith("studies."):
        module = importlib.import_module(command.program)
        script.parse(module.__doc__, module.add_flags, module.SMOKE, command.arguments)
    elif command.program != "make":  # a dry run of which is all that the slow test makes
        if importlib.util.find_spec(command.program) is None:
            raise ValueError(f"no module {command.program}")
        flags = {word.partition("=")[0] for word in command.arguments if word.startswith("--")}
        if flags:
            asked = [sys.executable, "-m", command.program, "--help"]
            said = subprocess.run(asked, capture_output=True, text=True, cwd=ROOT).stdout
            unknown = flags - set(re.findall(r"--\w+", said))
            if unknown:
                raise ValueError(f"no {', '.join(unknown)} in its --help")


# --- running ------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def desk():
    """A folder with what documents take for granted: submissions, and finished runs."""
    folder = Path(os.environ["XDG_CACHE_HOME"]) / "desk"  # one for all processes of the tests
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "leader").exists():
            _lay(folder)
    return folder


def _lay(folder):
    (folder / "my_optimizer.py").write_text(OPTIMIZER)
    foreign = ROOT / "tests/algoperf_form/submissions/nadamw_jit"
    shutil.copytree(foreign, folder / "my_submission", dirs_exist_ok=True)
    run = "algoperf-lite run --num_studies=1 --workloads=digits --no-stop_at_target"
    # Three, as an order takes.
    some = ["--submissions=nadamw,nesterov,adamw", "--tuning_ruleset=self", "--budget_by=steps"]
    population = ["--submissions=nadamw", "--population=2:ready_interval=2"]
    for name, flags in (("experiment", some), ("population", population)):
        _succeed([*Command(run).small(folder), *flags, f"--output_dir={folder / name}"], folder)
    packed = Command("algoperf-lite pack DIR --output=entry.zip").small(folder)
    _succeed(packed, folder)
    [trial] = (folder / "population").glob("*/study_0/*/trial_1")
    (folder / "leader").symlink_to(trial)


@pytest.mark.slow
@pytest.mark.parametrize("command", RUN, ids=ids)
def test_a_quoted_command_runs(command, desk, tmp_path):
    if command.program in quoted_commands.NEEDS:
        pytest.importorskip(quoted_commands.NEEDS[command.program])
    try:
        _succeed(command.small(desk), tmp_path, **command.environment)
    except AssertionError as error:
        pytest.fail(f"{', '.join(WHOLE[command])}: {command.text!r}\n{error}")


def _succeed(words, folder, **environment):
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, **environment, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
