"""Times of a job's events, as its own process read them.

Parent and child read one clock (CLOCK_MONOTONIC, the same for all processes of a machine). Only the
child knows when something happened: on a busy machine its parent may hear of it seconds later. The
parent therefore goes by the child's stamps, and checks what it can check of them.
"""

import dataclasses
import math
from typing import Any


@dataclasses.dataclass
class Stamps:
    """The stamps of one job so far, in seconds on the machine's clock.

    Attributes:
      began: when the parent started the job.
      last: the latest stamp; none may lie before it.
      closing: when the job was about to stop its own clock; None before that.
      closed: when it had stopped it; None before that.
      finding: the first stamp that cannot be true, as a clause; empty where all can.
    """

    began: float
    last: float = dataclasses.field(init=False)
    closing: float | None = None
    closed: float | None = None
    finding: str = ""

    def __post_init__(self) -> None:
        self.last = self.began

    def take(self, name: str, at: Any, heard: float) -> None:
        """Takes in the stamp of the event `name`, of which the parent had heard at `heard`."""
        problem = self._problem(at, heard)
        if problem:
            # Evidence is kept of the first one: those after it may follow from it.
            self.finding = self.finding or f"the event {name!r} of its process {problem}"
            at = heard
        self.last = max(self.last, at)
        # The last one counts: a submission that writes to the pipe itself does so before the
        # harness's own event, which then replaces it.
        if name == "closing":
            self.closing = at
        elif name == "closed":
            self.closed = at

    def _problem(self, at: Any, heard: float) -> str:
        if type(at) is not float or not math.isfinite(at):
            return f"has the time {at!r}, which is none"
        if at < self.last:
            return f"is stamped {self.last - at:.3f} s before what came ahead of it"
        if at > heard:
            return f"is stamped {at - heard:.3f} s after it was heard of"
        return ""
