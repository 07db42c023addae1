"""The ledger: where every second of a trial's wall time went."""

import dataclasses
import time
from collections.abc import Callable, Collection, Mapping

from scoring.logs.format import ACCOUNTS, ON_CLOCK

TOLERANCE = 0.01  # share of the wall time by which accounts may miss it
GRACE_SECONDS = 0.1  # and an absolute floor, for trials of a few seconds


class Ledger:
    """Books wall time to exactly one account at any moment, so that no second can fall between.

    JAX dispatches work asynchronously: a clock read before the work is done books it to whatever
    comes next. `switch` therefore blocks on everything it is handed before it reads the clock.
    Where several processes train together, the submission's clock starts when all are ready and
    stops when all are done: that is what `barrier` waits for.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        start: float | None = None,
        account: str = "setup",
        barrier: Callable[[], None] | None = None,
    ):
        """Opens `account` at `start`, a reading of `now` (default: this moment)."""
        self._now, self._barrier = now, barrier
        self._start = self._since = now() if start is None else start
        self._account = account
        self._seconds = dict.fromkeys(ACCOUNTS, 0.0)
        self.earlier_wall = 0.0  # seconds of processes before this one

    def go_on_from(self, earlier: dict[str, float], keep: Collection[str] = ()) -> None:
        """Goes on from the closed ledger of a process that was interrupted.

        What this process has spent so far was to get there again: it becomes "checkpoint", but for
        the accounts to `keep`.
        """
        self._book(self._account)
        own = {account: self._seconds[account] for account in keep}
        again = sum(self._seconds.values()) - sum(own.values())
        self._seconds |= {name: earlier[name] + own.get(name, 0.0) for name in ACCOUNTS}
        self._seconds["checkpoint"] += again
        self.earlier_wall = earlier["wall"]

    def lose(self, seconds: float) -> None:
        """Books seconds of interrupted processes that nothing is left of."""
        self._seconds["lost"] += seconds
        self.earlier_wall += seconds

    def switch(self, account: str, *pending: object) -> None:
        """Closes the open account once all arrays in `pending` are computed; opens `account`."""
        if pending:
            import jax  # here, so that who only checks a ledger need not load JAX

            jax.block_until_ready(pending)
        if self._barrier is not None and (account in ON_CLOCK or self._account in ON_CLOCK):
            self._barrier()
        self._book(account)

    def move(self, account: str, other: str, seconds: float) -> None:
        """Books seconds that are in one account in another one."""
        self._seconds[account] -= seconds
        self._seconds[other] += seconds

    def seconds(self, *accounts: str) -> float:
        """Seconds booked so far to `accounts` (all, if none is named), the open one up to now."""
        total = sum(self._seconds[name] for name in accounts or ACCOUNTS)
        is_open = not accounts or self._account in accounts
        return total + (self._now() - self._since if is_open else 0.0)

    def submission_seconds(self, count_compile: bool = False) -> float:
        """Seconds on the submission's clock; compilation only where the run counts it."""
        return self.seconds(*_on_clock(count_compile))

    def off_clock(self) -> dict[str, float]:
        """Columns of a log's row that are not on the submission's clock, in seconds."""
        return {
            "accumulated_eval_time": self.seconds("eval"),
            "accumulated_logging_time": self.seconds("log"),
            "total_duration": self.seconds(),
        }

    def close(self) -> dict[str, float]:
        """{account: seconds, ..., "wall": seconds since the start}, the open account included."""
        self._book(self._account)  # waits for nobody: this may be the only process that failed
        return {**self._seconds, "wall": self.earlier_wall + self._since - self._start}

    def _book(self, account: str) -> None:
        reading = self._now()
        self._seconds[self._account] += reading - self._since
        self._since, self._account = reading, account


def submission_seconds(ledger: Mapping[str, float], count_compile: bool = False) -> float:
    """Seconds of a closed ledger that are on the submission's clock."""
    return sum(ledger[account] for account in _on_clock(count_compile))


def _on_clock(count_compile: bool) -> tuple[str, ...]:
    return (*ON_CLOCK, "compile") if count_compile else ON_CLOCK


def adds_up(ledger: dict[str, float], wall: float, least: float | None = None) -> bool:
    """Whether the accounts of a closed ledger make up `wall` seconds, within the tolerance.

    Where it was closed at a moment that is only known to lie between two, these are `least` and
    `wall`, and anything between them will do.
    """
    tolerance = max(TOLERANCE * wall, GRACE_SECONDS)
    least = wall if least is None else least
    return least - tolerance <= booked(ledger) <= wall + tolerance


def booked(ledger: dict[str, float]) -> float:
    """Seconds of all accounts of a closed ledger."""
    return sum(seconds for account, seconds in ledger.items() if account != "wall")


@dataclasses.dataclass(frozen=True)
class SingleTrialSeconds:
    """The seconds that one trial takes by itself: all that is on a submission's clock.

    Attributes:
      init_seconds: to import the submission and make its first state.
      compile_seconds: on the clock only where compilation counts.
      seconds_per_step, seconds_per_prepare_for_eval: medians.
      quartiles: of the seconds per step.
      num_turns: how many samples these are of.
    """

    init_seconds: float
    compile_seconds: float
    seconds_per_step: float
    seconds_per_prepare_for_eval: float
    quartiles: tuple[float, float]
    num_turns: int

    def seconds(self, step: int, num_evals: int, count_compile: bool = False) -> float:
        """On the submission's clock after `step` steps and as many preparations as evaluations."""
        steps = step * self.seconds_per_step + num_evals * self.seconds_per_prepare_for_eval
        return self.init_seconds + steps + (self.compile_seconds if count_compile else 0.0)
