"""Two boards compared, as the command and Python users ask for it."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from algoperf_lite import did_you_mean
from algoperf_lite.experiment.results import Table
from scoring.logs import name_pairs
from scoring.stats import fidelity as boards
from scoring.stats import sides
from scoring.stats.fidelity import Fidelity, Point

_PROTOCOL = ("allow_mixed_hardware", "allow_mixed_timing")


@dataclasses.dataclass(frozen=True)
class FidelityResult(Table[Point]):
    """Two boards compared; rows are the submissions that both have, the best on B first.

    Attributes:
      fidelity: all there is to know, such as correlations; see `scoring.stats.fidelity`.
      plots: files of the scatter plot, if they were asked for.
      output: the page, if it was asked for.
    """

    fidelity: Fidelity
    plots: tuple[Path, ...] = ()
    output: Path | None = None


def fidelity(
    a: str | Path,
    b: str | Path,
    *,
    match: Mapping[str, str] | Sequence[str] = (),
    benchmark_a: str | Path | None = None,
    benchmark_b: str | Path | None = None,
    plot: str | Path | None = None,
    output: str | Path | None = None,
    **protocol: bool,
) -> FidelityResult:
    """Compares two boards: does A predict B, and which workloads carry it?

    Args:
      a, b: directories of logs, parts of them, or published tables, as `sides.open_side` has it.
      match: names on B by names on A where they differ; or texts and files as `--match` has them.
      benchmark_a, benchmark_b: names or files; None for what the logs were made for.
      plot: stem of a scatter plot, to which .svg and .png are added; None for none.
      output: the HTML page; None for none.
      **protocol: allow_mixed_hardware, allow_mixed_timing: see `scoring.protocol.Protocol`.

    Returns:
      The submissions on both boards, and everything about their order.

    Raises:
      ValueError: boards that cannot be read, or have fewer than three submissions in common.
    """
    for name in protocol:
        did_you_mean.require(name, _PROTOCOL, "option of fidelity")
    pairs = match if isinstance(match, Mapping) else name_pairs.parse(match)
    side_a = sides.open_side(a, benchmark_a, **protocol)
    side_b = sides.open_side(b, benchmark_b, **protocol)
    found = boards.compare(side_a, side_b, pairs)
    plots: tuple[Path, ...] = ()
    # Only pages need jinja2, and only pictures matplotlib.
    if plot is not None:
        from scoring.views import fidelity_plot

        plots = fidelity_plot.write(found, plot)
    if output is not None:
        from scoring.views.html import fidelity as page

        page.write(found, output)
    return FidelityResult(found.points, found, plots, None if output is None else Path(output))
