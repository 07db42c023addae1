"""The table says what became worse, and reads as it was written."""

import pytest

from tests.device_less import environment, table

ROW = {"kernels": 100, "loops": [[16, 6]], "megabytes": 1000, "temporary": 800}


@pytest.mark.parametrize("measure", table.FLOOR)
def test_a_third_more_is_worse_and_a_tenth_is_not(measure):
    assert not list(table.worse("a", ROW, ROW | {measure: round(1.1 * ROW[measure])}))
    (found,) = table.worse("a", ROW, ROW | {measure: round(1.3 * ROW[measure])})
    assert measure in found


def test_less_is_not_worse():
    assert not list(table.worse("a", ROW, ROW | {"kernels": 10, "megabytes": 10, "loops": []}))


def test_a_few_kernels_more_are_no_change_of_a_small_program():
    small = ROW | {"kernels": 4, "megabytes": 1, "temporary": 0}
    assert not list(table.worse("a", small, small | {"kernels": 9, "megabytes": 11}))


def test_a_loop_whose_length_is_no_longer_known_is_worse():
    (found,) = table.worse("a", ROW, ROW | {"loops": [[None, 6]]})
    assert "unknown length" in found


def test_what_does_not_compile_or_is_not_known_is_worse():
    assert list(table.worse("a", ROW, {"error": "XlaRuntimeError: no"}))
    assert list(table.worse("a", None, ROW))


def test_a_table_reads_as_it_was_written(tmp_path):
    written = {"versions": {"jax": "1"}, "programs": {"b": ROW, "a": {"error": 'a "word"'}}}
    table.write(written, tmp_path / "table.json")
    assert table.read(tmp_path / "table.json") == written
    assert len((tmp_path / "table.json").read_text().splitlines()) == 5


def test_the_print_shows_what_changed():
    lines = table.markdown({"programs": {"a": ROW | {"kernels": 90}}}, {"programs": {"a": ROW}})
    assert "| a | 100 -> 90 | 16 x 6 | 1000 | 800 |" in lines.splitlines()


# --- the table that lies here -------------------------------------------------------------

ROWS = table.read()["programs"]
NATURAL_MEGABYTES = 70_000  # of a card of 80 GB; libraries want workspaces that XLA does not see


def test_every_program_compiles():
    assert ROWS
    assert not [name for name, row in ROWS.items() if "error" in row]


def test_no_step_waits_for_the_host():
    # Beam search ends when all sentences do, off the clock; the length of "loop" is an argument.
    waiting = {
        name for name, row in ROWS.items() if any(trips is None for trips, _ in row["loops"])
    }
    assert not {name for name in waiting if not name.endswith(("/eval", "/loop"))}


def test_full_steps_fit_a_card_without_being_recomputed_by_xla():
    # A larger optimizer's state would otherwise change the program of the model, silently.
    needs = {name: row["megabytes"] for name, row in ROWS.items() if name.endswith("/natural")}
    assert not {name: need for name, need in needs.items() if need > NATURAL_MEGABYTES}


def test_a_python_that_is_named_is_taken(monkeypatch):
    monkeypatch.setenv(environment.VARIABLE, "/somewhere/python")
    assert environment.python() == "/somewhere/python"


def test_without_a_newer_python_nothing_is_made_and_nothing_fails(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(environment, "FOLDER", tmp_path / "made")
    monkeypatch.setattr(environment, "_base", lambda: None)
    environment.main()
    assert "no Python 3.12" in capsys.readouterr().out
    assert not (tmp_path / "made").exists()


def test_the_table_is_of_the_versions_that_are_installed_for_it():
    lines = environment.REQUIREMENTS.read_text().splitlines()
    pins = dict(line.split(" == ") for line in lines if not line.startswith("#"))
    assert table.read()["versions"].items() <= pins.items()
