"""Modes of stepping."""

import pytest

from algoperf_lite.training import modes


@pytest.mark.parametrize(
    ("most", "periods", "length"),
    [
        (60, [7, 8], 7),  # 8 would leave 7 single steps of every other period
        (60, [35], 35),
        (12, [35], 7),  # 12 would leave 11 single steps
        (3, [10], 3),
        (1, [10], 1),
        (0, [1], 1),
        (100, [50, 20], 10),
    ],
)
def test_dispatches_leave_few_steps_over(most, periods, length):
    assert modes.dispatch_length(most, periods) == length


def test_a_loop_that_would_ask_the_host_is_for_cpus_alone():
    assert modes.modes_on("cpu") == ("loop", "single", "unrolled")
    assert modes.modes_on("gpu") == modes.modes_on("tpu") == ("scan", "single", "unrolled")


def test_the_length_of_a_dispatch():
    assert [modes.steps_of(mode, 7) for mode in modes.MODES] == [7, 7, 1, modes.UNROLLED_STEPS]
