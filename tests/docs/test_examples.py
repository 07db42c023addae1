"""Python that documents show: it runs, and what it quotes of the code stands there so."""

import ast
import re
from pathlib import Path

import pytest

import workloads
from algoperf_lite import api, testing
from algoperf_lite.submission import native

ROOT = Path(__file__).parents[2]
_PYTHON = re.compile(r"^ *```python\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def _examples(page):
    """Blocks of Python in a page, without what sets them in."""
    blocks = _PYTHON.findall((ROOT / page).read_text())
    return [re.sub(r"^  (?=\S)", "", block, flags=re.MULTILINE) for block in blocks]


def _example(page, part):
    """The one block of a page that holds `part`."""
    [found] = [block for block in _examples(page) if part in block]
    return found


def test_the_submission_of_the_readme_conforms(tmp_path):
    file = tmp_path / "example.py"
    file.write_text(_example("README.md", "search_space"))
    submission = native.load(str(file))
    assert submission.schedule is not None and submission.search_space
    testing.check_submission(submission, workloads.load("digits"))


@pytest.mark.parametrize("page", ["README.md", "docs/schedules.md"])
def test_the_schedule_that_is_shown_is_the_one_that_there_is(page):
    signature, _, body = _example(page, "def rex").strip().split("\n")
    source = (ROOT / "algoperf_lite" / "schedules" / "shapes.py").read_text()
    assert f"\n{signature}\n" in source and f"\n{body}\n" in source


def test_the_parameters_of_a_model_at_full_scale(capsys):
    exec(_example("docs/full_scale.md", "num_params"), {})
    assert int(capsys.readouterr().out) == workloads.load("ogbg", "full").num_params


def test_the_calls_of_the_python_interface_are_ones_that_there_are():
    [block] = _examples("docs/python.md")
    called = {
        node.attr
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "api"
    }
    text = (ROOT / "docs" / "python.md").read_text()
    listed = set(re.findall(r"^\| `(\w+)\(", text, re.MULTILINE))
    assert called <= listed
    assert all(callable(getattr(api, name)) for name in listed)
