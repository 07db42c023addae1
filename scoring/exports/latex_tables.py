"""An export for a paper: tables in LaTeX with booktabs, what to cite, and a page that sets all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from scoring.exports.trials import Export, ExportedTrial
from scoring.leaderboard import Leaderboard
from scoring.views import rows, series
from scoring.views.text import ASCII, printable

# Of TeX, and signs that a name may hold. Others beyond Latin are "?": pdfLaTeX stops at them.
_SIGNS = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}"},
    # Two of them in a row would be a longer dash, or a quotation mark.
    **{"-": "-{}", "`": r"\textasciigrave{}", "'": r"\textquotesingle{}"},
    # A cell that begins with them would be an argument of the line end before it.
    **{"[": "{[}", "]": "{]}", "*": "{*}"},
}
_LAST_LATIN = "\u017f"

_PAGE = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{booktabs,longtable,textcomp}
\begin{document}
\input{leaderboard}
\input{times}
\input{hyperparameters}
\nocite{*}
\bibliographystyle{plain}
\bibliography{references}
\end{document}
"""

# The protocol and the score are AlgoPerf's, the profile is Dolan and More's.
_REFERENCES = r"""@article{dahl2023benchmarking,
  title = {Benchmarking Neural Network Training Algorithms},
  author = {Dahl, George E. and others},
  journal = {arXiv preprint arXiv:2306.07179},
  year = {2023}
}

@article{dolan2002benchmarking,
  title = {Benchmarking optimization software with performance profiles},
  author = {Dolan, Elizabeth D. and Mor{\'e}, Jorge J.},
  journal = {Mathematical Programming},
  volume = {91},
  number = {2},
  pages = {201--213},
  year = {2002}
}

@misc{algoperf_lite,
  title = {algoperf-lite: time-to-result benchmark of training algorithms and learning-rate
           schedules},
  author = {{The algoperf-lite authors}},
  year = {2026}
}
"""


def write(export: Export, folder: Path) -> None:
    """Writes leaderboard.tex, times.tex and hyperparameters.tex for `input`, references.bib, and
    tables.tex, which sets all of them."""
    board = export.board
    assert board is not None, "a format that is scored is given the scores"
    files = {
        "leaderboard.tex": _leaderboard(board),
        "times.tex": _times(board),
        "hyperparameters.tex": _hyperparameters(board, export.trials),
        "references.bib": _REFERENCES,
        "tables.tex": _PAGE,
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def _leaderboard(board: Leaderboard) -> str:
    """Score with its interval, the best first."""
    lines = [
        (str(place), row.name, row.score.text, row.interval, row.reached, str(row.num_studies))
        for place, row in enumerate(rows.ranking(board, ASCII), start=1)
    ]
    headings = ("", "submission", "score", "95% interval", "reached", "studies")
    return _table("rlrlrr", headings, lines, _caption(board), "leaderboard")


def _times(board: Leaderboard) -> str:
    """A row for each submission on each workload: a column for each would outgrow the page."""
    lines = [
        (
            *((workload.name, workload.target) if number == 0 else ("", "")),
            *(result.name, result.time.text, result.ratio, result.best),
        )
        for workload in rows.workloads(board, ASCII)
        for number, result in enumerate(r for r in workload.results if r.was_run)
    ]
    headings = ("workload", "target", "submission", board.unit, "vs best", "metric")
    what = f"{board.unit.capitalize()} to the validation target, median over studies."
    return _long_table("lllrrr", headings, lines, what, "times")


def _hyperparameters(board: Leaderboard, trials: Sequence[ExportedTrial]) -> str:
    """The point of the trial that counts, by submission, workload and study."""
    points = {trial.place.path: trial.hyperparameters for trial in trials}
    counted = series.counted(board.trials, board.benchmark, board.protocol)
    order = board.places
    lines = [
        (
            *(printable(trial.submission), printable(trial.workload)),
            *(str(trial.study), str(trial.trial)),
            ", ".join(f"{name}={_short(v)}" for name, v in points[trial.path].items()),
        )
        for trial in sorted(counted, key=lambda t: (order[t.submission], t.workload, t.study))
    ]
    headings = ("submission", "workload", "study", "trial", "hyperparameters")
    what = "Hyperparameters of the trial that counts in each study."
    return _long_table("llrrp{0.3\\textwidth}", headings, lines, what, "hyperparameters")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _caption(board: Leaderboard) -> str:
    return " ".join([f"{rows.title(board)}.", *rows.notes(board)])


def _table(
    columns: str, headings: Sequence[str], lines: Iterable[Sequence[str]], what: str, label: str
) -> str:
    """A table that floats; `label` is what the text refers to, behind "tab:"."""
    return "\n".join(
        [
            r"\begin{table}[htbp]",
            r"\centering",
            rf"\caption{{{tex(what)}}}",
            rf"\label{{tab:{label}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            *_body(headings, lines),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _long_table(
    columns: str, headings: Sequence[str], lines: Iterable[Sequence[str]], what: str, label: str
) -> str:
    """A table that may go over pages."""
    top, heads, middle, *body = _body(headings, lines)
    caption = rf"\caption{{{tex(what)}}}\label{{tab:{label}}}\\"
    return "\n".join(
        [
            r"{\small",
            rf"\begin{{longtable}}{{{columns}}}",
            *(caption, top, heads, middle, r"\endfirsthead"),
            *(top, heads, middle, r"\endhead"),
            *body,
            r"\bottomrule",
            r"\end{longtable}}",
            "",
        ]
    )


def _body(headings: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    return [r"\toprule", _line(headings), r"\midrule", *map(_line, lines)]


def _line(cells: Sequence[str]) -> str:
    return " & ".join(map(tex, cells)) + r" \\"


def tex(text: str) -> str:
    """Any text as TeX sets it: nothing in it is a command."""
    shown = (c if c <= _LAST_LATIN else "?" for c in printable(text))
    return "".join(_SIGNS.get(c, c) for c in shown)
