"""Which columns give way where a terminal is narrow."""

import pytest

from scoring.views.columns import PLAIN, TIGHT, Column, hidden, needs, no_room, shown

LAYOUT = (
    Column("name", folds_to=16),
    Column("score"),
    Column("interval", gives_way=2),
    Column("studies", gives_way=1),
)
ROWS = [("a_name_of_22_characters", "0.123", "0.1 to 0.2", "3"), ("b", "0", "?", "12")]


def test_a_column_needs_its_longest_text_and_a_name_less():
    assert needs(LAYOUT, ROWS) == [16, 5, 10, 7]
    assert needs(LAYOUT, ROWS[1:]) == [4, 5, 8, 7]  # the headings


@pytest.mark.parametrize(
    ("width", "kept"),
    [
        (200, [0, 1, 2, 3]),
        (16 + 5 + 10 + 7 + 9, [0, 1, 2, 3]),
        (16 + 5 + 10 + 7 + 8, [0, 1, 2]),  # the first to give way does
        (16 + 5 + 10 + 7, [0, 1, 2]),
        (16 + 5 + 10 + 6, [0, 1]),
        (5, [0, 1]),  # these never do
    ],
)
def test_columns_give_way_in_their_order(width, kept):
    assert shown(LAYOUT, ROWS, width, TIGHT) == kept
    assert hidden(LAYOUT, kept) == [c.heading for i, c in enumerate(LAYOUT) if i not in kept]


def test_spacing_is_that_of_the_tables():
    assert (TIGHT.total(4), PLAIN.total(4)) == (9, 8)


def test_what_has_no_room_is_said_once():
    assert no_room([]) is None
    assert (
        no_room(["a", "b", "a"]) == "No room at this width for: a, b; a wider terminal shows them."
    )
