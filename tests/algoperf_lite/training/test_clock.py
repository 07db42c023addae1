"""The ledger books every second once and waits for the device."""

import jax.numpy as jnp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algoperf_lite.training.clock import ACCOUNTS, ON_CLOCK, Ledger, adds_up


class FakeClock:
    def __init__(self):
        self.reading = 100.0

    def __call__(self):
        return self.reading


@given(st.lists(st.tuples(st.sampled_from(ACCOUNTS), st.floats(0, 1e4))))
def test_accounts_add_up_whatever_happens(switches):
    clock = FakeClock()
    ledger = Ledger(clock)
    for account, seconds in switches:
        ledger.switch(account)
        clock.reading += seconds
    closed = ledger.close()
    assert closed["wall"] == pytest.approx(clock.reading - 100.0)
    assert sum(closed[name] for name in ACCOUNTS) == pytest.approx(closed["wall"])
    assert adds_up(closed, closed["wall"])


def test_evaluation_is_free_and_training_is_not():
    clock = FakeClock()
    ledger = Ledger(clock, account="setup")
    for account, seconds in [
        ("init", 1.0),
        ("compile", 5.0),
        ("update_params", 2.0),
        ("prepare_for_eval", 0.5),
        ("eval", 30.0),
        ("log", 7.0),
    ]:
        ledger.switch(account)
        clock.reading += seconds
    ledger.switch("setup")
    assert ledger.submission_seconds() == pytest.approx(3.5)
    assert ledger.submission_seconds(count_compile=True) == pytest.approx(8.5)
    assert "compile" not in ON_CLOCK


def test_open_account_counts_up_to_now():
    clock = FakeClock()
    ledger = Ledger(clock, account="update_params")
    clock.reading += 4.0
    assert ledger.seconds("update_params") == pytest.approx(4.0)
    assert ledger.seconds("eval") == 0.0


def test_switch_waits_for_pending_work_before_it_reads_the_clock():
    events = []

    class Pending:
        def block_until_ready(self):
            events.append("blocked")
            return self

    def clock():
        events.append("read")
        return 0.0

    ledger = Ledger(clock)
    events.clear()
    ledger.switch("eval", {"params": [Pending(), jnp.zeros(2)]}, Pending())
    assert events == ["blocked", "blocked", "read"]


def test_a_gap_between_accounts_and_wall_is_noticed():
    assert not adds_up({"update_params": 10.0, "wall": 12.0}, 12.0)
    assert adds_up({"update_params": 10.0, "wall": 10.05}, 10.05)


def test_a_ledger_goes_on_from_another_and_getting_there_is_free():
    clock = FakeClock()
    first = Ledger(clock, account="update_params")
    clock.reading += 7.0
    earlier = first.close()
    clock.reading += 1000.0  # nobody ran
    second = Ledger(clock)
    for account in ("init", "compile", "log"):
        second.switch(account)
        clock.reading += 2.0
    second.go_on_from(earlier)
    assert second.submission_seconds() == pytest.approx(7.0)
    second.switch("fitness")
    clock.reading += 1.0
    closed = second.close()
    assert second.submission_seconds() == pytest.approx(8.0)
    assert closed["checkpoint"] == pytest.approx(6.0)
    assert closed["wall"] == pytest.approx(14.0)
    assert adds_up(closed, 14.0)
