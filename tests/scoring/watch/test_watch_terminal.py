"""The look for a terminal, and what the machine tells."""

import io
import stat

import pytest
from report_pages import write_trial
from rich.console import Console
from running_trees import end, write_experiment, write_running

from scoring.watch import terminal
from scoring.watch.machine import Gpu, Machine, Sample
from scoring.watch.trials import Tree

SAMPLE = Sample(1000.0, 50.0, 25.0, 24.0, 1.5, 2, 61.9, (Gpu(97.0, 41.3),))


def shown(tree, width=110):
    console = Console(file=io.StringIO(), width=width)
    console.print(terminal.picture(tree, SAMPLE, width))
    return console.file.getvalue()


@pytest.fixture
def tree(tmp_path):
    write_experiment(tmp_path)
    write_running(tmp_path, rows=6)
    end(write_running(tmp_path, trial=2), status="reached")
    end(write_running(tmp_path, "[bold]x", trial=1), status="crashed")
    write_running(tmp_path, "[red]\x1b[2Jy", trial=2)
    found = Tree(tmp_path)
    found.poll()
    return found


def test_it_says_what_runs_and_what_has_ended(tree):
    text = shown(tree)
    assert "2 of 6 trials ended: 1 reached, 1 crashed" in text
    assert "2 cores 50% busy, load 1.5, 25% of 24 GiB in use, 62 GiB of disk free" in text
    assert "GPU 0: 97% busy, 41% of its memory" in text
    (line,) = [line for line in text.splitlines() if " fast " in line]
    assert line.split()[:8] == ["fast", "alpha", "0", "1", "25%", "50", "0.6429", "0.9"]


def test_names_are_text(tree):
    text = shown(tree)
    assert "[red]?[2Jy" in text and "\x1b[2J" not in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_it_fits(tree, width):
    assert max(map(len, shown(tree, width).splitlines())) <= width


def test_without_a_terminal_it_is_shown_once(tree, tmp_path):
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    terminal.watch(tmp_path, console)
    assert "2 of 6 trials ended" in console.file.getvalue()


def test_an_unknown_total_is_not_made_up(tmp_path):
    write_trial(tmp_path / "s/study_0/alpha_jax/trial_1", "alpha", 10.0, 1e-3)
    tree = Tree(tmp_path)
    tree.poll()
    assert "0 trials ended" in shown(tree)


def test_gpus_are_as_the_driver_says(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '97, 33000, 80000'\necho '0, 0, 80000'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    machine = Machine(tmp_path)
    assert machine.sample().gpus == (Gpu(97.0, 41.2), Gpu(0.0, 0.0))
    program.write_text("#!/bin/sh\nexit 1\n")
    assert len(machine.sample().gpus) == 2  # it is not asked at every look


@pytest.mark.parametrize("says", ["echo '[N/A], 1, 2'", "exit 3", "echo nonsense"])
def test_a_driver_that_does_not_answer_is_no_gpu(tmp_path, monkeypatch, says):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{says}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    sample = Machine(tmp_path / "not there").sample()
    assert sample.gpus == () and sample.disk_free_gib is None
