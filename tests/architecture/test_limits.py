"""Limits of the house: how many rooms and floors, how long a file or a function may get."""

import collections
import pathlib

import pytest

from tests.architecture import figures, measures
from tests.architecture.sources import PACKAGES, Sources

MAX_ROOMS, MAX_FLOORS = 18, 9
MAX_FILE_LINES, MAX_FUNCTION_LINES = 300, 60
MAX_NESTING, MAX_PARAMETERS = 5, 9
MIN_COMMENTS = 0.06  # lines with a comment per line of code

SOURCES = Sources()


def test_the_main_package_is_a_house_of_few_rooms_and_floors():
    plan = figures.plan(SOURCES, "algoperf_lite")
    assert plan.rooms <= MAX_ROOMS
    assert plan.floors <= MAX_FLOORS
    assert (plan.back, plan.circles) == (0, 0)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_is_too_long(package):
    long = [
        f"{module.place(1)}: {measures.num_lines(module)} lines"
        for module in SOURCES.inside(package)
        if measures.num_lines(module) > MAX_FILE_LINES
    ]
    assert not long, "\n".join(long)


@pytest.mark.parametrize("package", PACKAGES)
def test_functions_are_short_flat_and_take_few_arguments(package):
    found = [
        f"{size.place}: {size.name} has {size.lines} lines, nesting {size.nesting}, "
        f"{size.parameters} parameters"
        for size in measures.functions(SOURCES.inside(package))
        if size.lines > MAX_FUNCTION_LINES
        or size.nesting > MAX_NESTING
        or size.parameters > MAX_PARAMETERS
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("package", figures.MAIN)
def test_a_reader_finds_reasons_in_comments(package):
    modules = [module for module in SOURCES.inside(package) if module.text]
    texts = {module.place(1): measures.text(module) for module in modules}
    total = measures.total(texts.values())
    share = total.comments / total.code
    wanting = sorted(
        texts, key=lambda place: texts[place].comments - MIN_COMMENTS * texts[place].code
    )
    lines = [f"{place} {texts[place].comments} of {texts[place].code}" for place in wanting[:25]]
    assert share >= MIN_COMMENTS, f"{share:.1%} in {package}; most wanting:\n" + "\n".join(lines)


def test_no_two_files_of_tests_share_a_name():
    """pytest imports a file of tests by its bare name, so of two it would collect but one."""
    files = pathlib.Path(__file__).parents[1].rglob("test_*.py")
    names = collections.Counter(file.name for file in files)
    assert [name for name, count in names.items() if count > 1] == []
