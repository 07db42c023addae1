"""The notebook of docs/python.md: its outputs are of its cells, and its cells run."""

import json
import re
import warnings

import pytest

from docs import notebook

# Of a machine, or of one run: what no reader can compare with their own.
_MACHINE = re.compile(
    r"/tmp/|/home/|/root/|/usr/|[A-Za-z]:\\\\|\b20\d\d-\d\d-\d\d\b|seconds_to|0x[0-9a-f]{8}"
)
_MOST_BYTES = 200_000


@pytest.fixture(scope="module")
def kept():
    return json.loads(notebook.NOTEBOOK.read_text())


def _kinds(content):
    """For each cell of code, the kinds of its outputs."""
    return [
        sorted(
            kind
            for output in cell["outputs"]
            for kind in output.get("data", {output.get("name", output["output_type"]): None})
        )
        for cell in content["cells"]
        if cell["cell_type"] == "code"
    ]


def test_its_outputs_are_of_its_cells(kept):
    assert notebook.kept_hash(kept) == notebook.code_hash(kept), "run python -m docs.notebook"
    code = [cell for cell in kept["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))


def test_it_shows_what_it_promises_and_nothing_of_a_machine(kept):
    kinds = {kind for cell in _kinds(kept) for kind in cell}
    # Frames, plots and words; no warning and no error.
    assert {"text/html", "image/svg+xml", "image/png", "stdout"} <= kinds
    assert not {"stderr", "error"} & kinds
    text = notebook.NOTEBOOK.read_text()
    assert len(text) < _MOST_BYTES
    shown = re.sub(r'"image/png": "[^"]*"', "", text)
    assert not _MACHINE.findall(shown)


@pytest.mark.slow
def test_it_runs_and_shows_things_of_the_same_kinds(kept):
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # those of Jupyter are not ours
        done = notebook.executed(kept)
    assert _kinds(done) == _kinds(kept)
    assert notebook.kept_hash(done) == notebook.kept_hash(kept)


@pytest.mark.slow
def test_a_cell_that_fails_is_no_output():
    from nbclient.exceptions import CellExecutionError

    cell = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": []}
    broken = {"cells": [{**cell, "source": "1 / 0"}], "metadata": {}, "nbformat": 4}
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        notebook.executed({**broken, "nbformat_minor": 5})
