"""Figures and page have the same colours, and every account of a ledger has one."""

import re
from pathlib import Path

import scoring.views.html
from scoring.logs.format import ACCOUNTS
from scoring.views import palette

STYLE = Path(scoring.views.html.__file__).with_name("style.css")


def test_the_page_has_the_palette_of_the_figures():
    found = re.findall(r"--c(\d): light-dark\((#[0-9a-f]{6}),", STYLE.read_text())
    assert [(int(place), colour.upper()) for place, colour in found] == list(
        enumerate(palette.COLOURS)
    )


def test_every_account_has_a_colour():
    assert set(palette.ACCOUNT_COLOURS) == set(ACCOUNTS)


def test_lines_are_told_apart():
    styles = [str(palette.line_style(place)) for place in range(21)]
    assert len(set(styles)) == 21
