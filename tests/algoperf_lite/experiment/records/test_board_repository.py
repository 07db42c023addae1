"""A board repository from an empty folder to a site, and the workflows that it comes with."""

import datetime
import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import forging
import pytest
import yaml

from algoperf_lite import api
from algoperf_lite.cli import main
from algoperf_lite.experiment.board_repository import making
from algoperf_lite.machine import fingerprint
from scoring import benchmark
from scoring.logs import pack

NEWEST = benchmark.resolved("lite")
ROOT = Path(__file__).parents[4]
STATIC = ("verify the packs that change", "build the site")


@pytest.fixture
def board(tmp_path):
    return making.board_init(tmp_path / "board", "lite_v1", datetime.date(2026, 1, 1))


@pytest.fixture
def second(recorded, experiment, tmp_path):
    """The pack of another run on another machine: all that it says still agrees."""

    def other_loss(row):
        if row["test/loss"]:
            row["test/loss"] = repr(float(row["test/loss"]) * 1.001)

    def other_machine(facts):
        changed = {**facts, "cpu": "Other CPU"}
        return {**changed, "key": fingerprint.key_of(changed)}

    for trial in experiment.glob("*/study_*/*/trial_*"):
        forging.change_rows(trial, other_loss)
        forging.change(trial / "trial.json", fingerprint=other_machine)
    facts = json.loads((experiment / forging.BEST / "trial.json").read_text())["fingerprint"]
    shutil.copy(recorded, tmp_path / "recorded.zip")
    machines = {facts["key"]: facts}
    return forging.packed(experiment, tmp_path / "second.zip", fingerprints=machines)


def _content(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_from_an_empty_folder_to_a_site_twice(board, recorded, second, tmp_path):
    first = api.board_add(recorded, board)
    added = api.board_add(second, board)
    assert (first.num_entries, added.num_entries) == (1, 2)
    assert re.fullmatch(r"nadamw-nesterov-[0-9a-f]{12}\.zip", added.output.name)
    assert added.output.read_bytes() == second.read_bytes()
    for name in ("a", "b"):
        found = api.board_build(board, tmp_path / name)
    assert found.num_entries == 2 and _content(tmp_path / "a") == _content(tmp_path / "b")
    # Two machines, so two reports.
    assert len(list((tmp_path / "a" / "boards").glob("*.html"))) == 2
    readme = (board / "README.md").read_text()
    assert readme.count("| 1 | `nesterov` | 0.1000 |") == 2 and "How to add an entry" in readme
    api.board_table(board)
    assert (board / "README.md").read_text() == readme


def test_what_is_there_already_is_refused(board, recorded, experiment, tmp_path):
    api.board_add(recorded, board)
    before = _content(board)
    with pytest.raises(ValueError, match="are the same pack; keep one"):
        api.board_add(recorded, board)
    # The same trials under another manifest, and another text of one of the names.
    shutil.copy(recorded, tmp_path / "recorded.zip")
    again = forging.packed(experiment, tmp_path / "again.zip", packed_by="0.0.9")
    with pytest.raises(ValueError, match="hold the same rows"):
        api.board_add(again, board)
    for trial in experiment.glob("*/study_*/*/trial_*"):
        forging.change_rows(trial, forging.scaled(1.5))
    hashes = {"nadamw": "0" * 64, "nesterov": "1" * 64}
    other = forging.packed(experiment, tmp_path / "other.zip", submissions=hashes)
    with pytest.raises(ValueError, match="have different texts of 'nadamw'; give one another name"):
        api.board_add(other, board)
    assert _content(board) == before


def test_a_forgery_is_refused_and_nothing_is_written(board, recorded, experiment, tmp_path):
    before = _content(board)
    shutil.copy(recorded, tmp_path / "recorded.zip")
    forging.better_rows_in_both_logs(experiment)
    forged = forging.packed(experiment, tmp_path / "forged.zip")
    with pytest.raises(ValueError, match="is not confirmed: .* `verify` says all"):
        api.board_add(forged, board)
    readme = (board / "README.md").read_text()
    (board / "README.md").write_text(readme.replace("<!-- board: end -->", ""))
    with pytest.raises(ValueError, match="has no table: it needs the lines"):
        api.board_add(recorded, board)
    (board / "README.md").write_text(readme)
    assert _content(board) == before


def test_a_board_of_another_benchmark_refuses(tmp_path, recorded):
    board = api.board_init(tmp_path / "board")
    assert f'benchmarks = ["{NEWEST}"]' in (board / "board.toml").read_text()
    with pytest.raises(ValueError, match=f"is of benchmark 'lite_v1'; this board takes {NEWEST}"):
        api.board_add(recorded, board)


def test_a_folder_that_holds_anything_is_refused(tmp_path):
    (tmp_path / ".git").mkdir()  # a repository that was just made
    api.board_init(tmp_path)
    before = _content(tmp_path)
    with pytest.raises(ValueError, match="already; give a folder that is new or empty"):
        api.board_init(tmp_path)
    with pytest.raises(ValueError, match="'README.md' already"):
        api.board_init(tmp_path / "README.md")
    with pytest.raises(ValueError, match="benchmark 'light' not found; did you mean"):
        api.board_init(tmp_path / "new", "light")
    assert _content(tmp_path) == before and not (tmp_path / "new").exists()


def test_the_command_says_where_things_are(tmp_path, recorded, capsys):
    board = str(tmp_path / "board")

    def told(*words):
        with pytest.raises(SystemExit) as end:
            main.main(["algoperf-lite", "board", *words])
        assert not end.value.code
        return capsys.readouterr().out

    assert "board.toml says what it takes" in told("init", board, "--benchmark=lite_v1")
    assert "is entry 1, for good under" in told("add", str(recorded), f"--board={board}")
    site = f"{tmp_path}/site"
    built = told("build", board, f"--site={site}")
    assert re.search(r"site/index.html, one of \d+ files about 1 entry\n", built)
    assert "README.md" in told("table", f"--board={board}")


# --- workflows ----------------------------------------------------------------------------------


def _workflow(board, name):
    found = yaml.safe_load((board / ".github" / "workflows" / name).read_text())
    return {**found, "on": found.get("on", found.get(True))}  # YAML 1.1 takes "on" for true


def _steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_workflows_put_nothing_of_a_pull_request_into_a_shell(board):
    check, publish = _workflow(board, "check.yml"), _workflow(board, "publish.yml")
    assert list(check["on"]) == ["pull_request"]
    assert set(publish["on"]) == {"push", "workflow_dispatch"}
    for workflow in (check, publish):
        assert workflow["permissions"] == {"contents": "read"}
        for step in _steps(workflow):
            assert "${{" not in step.get("run", "") and "env" not in step
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/x@v1"))
            if step.get("uses", "").startswith("actions/checkout"):
                assert step["with"]["persist-credentials"] is False
        assert all(job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())
    assert not any("permissions" in job for job in check["jobs"].values())
    for path in (board / ".github").rglob("*.yml"):
        assert "github.event" not in path.read_text() and "secrets" not in path.read_text()


@pytest.mark.slow
def test_the_lines_of_the_workflow_do_what_they_say(board, recorded, second, tmp_path):
    environ = _environment(tmp_path)

    def git(*words):
        own = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
        subprocess.run(["git", *own, *words], cwd=board, check=True, capture_output=True)

    def checked(step):
        shell = [*["bash", "--noprofile", "--norc", "-euo", "pipefail", "-c"], step["run"]]
        return subprocess.run(shell, cwd=board, env=environ, capture_output=True, text=True)

    git("init")
    api.board_add(recorded, board)
    git("add", ".")
    git("commit", "--message=first")
    git("checkout", "-b", "mine")
    added = api.board_add(second, board).output
    git("add", ".")
    git("commit", "--message=mine")
    git("checkout", "main")
    git("merge", "--no-ff", "mine")  # what a forge checks out for a pull request
    steps = {step["name"]: step for step in _steps(_workflow(board, "check.yml")) if "run" in step}
    done = [checked(steps[name]) for name in STATIC]
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0] == f"verify ./entries/{added.name}" and len(asked) == 2
    assert "level L0" in done[0].stdout
    assert (tmp_path / "site" / "index.html").is_file()
    # A name that a shell would take for a command, and that is no pack.
    evil = board / "entries" / "$(touch gone)`touch gone`\n;touch gone.zip"
    evil.write_text("no pack")
    git("add", ".")
    git("commit", "--amend", "--no-edit")
    done = checked(steps[STATIC[0]])
    assert done.returncode and "is no sound pack" in done.stderr
    assert not list(board.rglob("gone"))


def _environment(tmp_path):
    """Variables of a runner on which `algoperf-lite` is this checkout, and is listened to."""
    commands = tmp_path / "commands"
    commands.mkdir()
    command = commands / "algoperf-lite"
    command.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\nexec {sys.executable} -m algoperf_lite "$@"\n'
    )
    command.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "RUNNER_TEMP": str(tmp_path),
    }


# --- the container ------------------------------------------------------------------------------


def _contained(tmp_path, *words):
    """The script with an engine that only says how it was called."""
    engine = tmp_path / "engine"
    engine.write_text(
        '#!/bin/sh\nprintf "%s\\n" "$@"\nprintf "\\033[31mred\\n"\n[ "$1" = rm ] || exit 3\n'
    )
    engine.chmod(0o755)
    command = [str(ROOT / "docker" / "verify.sh"), *words]
    environ = {**os.environ, "ENGINE": str(engine), "MEMORY": "1g"}
    return subprocess.run(command, env=environ, capture_output=True, text=True)


def test_the_container_reaches_nothing_and_its_status_is_told(tmp_path, recorded):
    done = _contained(tmp_path, str(recorded), "--steps=2")
    said = done.stdout.splitlines()
    wanted = "--network=none --read-only --cap-drop=ALL --security-opt=no-new-privileges "
    wanted += "--user=65534:65534 --memory=1g --memory-swap=1g --pids-limit=512"
    assert set(wanted.split()) <= set(said) and done.returncode == 3
    mount = f"--mount=type=bind,source={recorded},target=/pack/entry.zip,readonly"
    assert said[said.index(mount) + 1 :] == [
        *("algoperf-lite", "verify", "/pack/entry.zip", "--steps=2"),
        "[31mred",  # without the character that would colour it
    ]


def test_the_container_gets_no_path_that_says_more_than_a_path(tmp_path, recorded):
    evil = tmp_path / "a,source=,b.zip"
    shutil.copy(recorded, evil)
    for path, words in ((evil, "cannot be mounted"), (tmp_path / "none.zip", "give a pack")):
        done = _contained(tmp_path, str(path))
        assert done.returncode == 2 and words in done.stderr and not done.stdout


@pytest.mark.parametrize("cases", [range(25), pytest.param(range(25, 500), marks=pytest.mark.slow)])
def test_no_mutated_pack_makes_a_board_fail(board, recorded, tmp_path, cases):
    """Of the file or of its manifest: a sentence, or an entry whose site is built."""
    shutil.copy(recorded, tmp_path / "recorded.zip")
    whole, about = recorded.read_bytes(), pack.read(recorded).about
    files = pack.read(recorded).files
    empty = _content(board)
    outside = sorted(tmp_path.iterdir())
    taken = 0
    for seed in cases:
        rng = random.Random(seed)
        mutant = tmp_path / "mutant.zip"
        if rng.random() < 0.5:
            data = bytearray(whole)
            for _ in range(rng.randrange(1, 4)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            mutant.write_bytes(data)
        else:
            pack.write(mutant, forging.mutated(rng, about), files)
        try:
            api.board_add(mutant, board)
            site = tmp_path / "site"
            api.board_build(board, site)
            shutil.rmtree(site)
            for entry in (board / "entries").glob("*.zip"):
                entry.unlink()
            api.board_table(board)
            taken += 1
        except ValueError as error:
            assert "\n" not in str(error), seed
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
        mutant.unlink()
        assert _content(board) == empty, seed
        assert sorted(tmp_path.iterdir()) == outside, seed
    assert 0 < taken < len(cases)
