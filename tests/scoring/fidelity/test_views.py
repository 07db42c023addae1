"""The comparison as people see it: in a terminal of any width, as a picture, as a page."""

import io
import re

import pytest
from boards import logs, scores
from rich.console import Console

from scoring.stats.fidelity import compare
from scoring.views import fidelity, fidelity_plot, terminal_fidelity
from scoring.views.html import fidelity as page

LONG = "schedule_free_adamw_with_a_rather_long_name"
TIMES = {
    name: {w: (time, time * 1.05, time * 1.1) for w in ("librispeech_conformer", "wmt", "ogbg")}
    for name, time in {LONG: 10, "sgd": 15, "nadamw": 12, "<b>[bold]": 20, "e": 25, "f": 39}.items()
}


@pytest.fixture(scope="module")
def found():
    return compare(logs(TIMES, "runs/lite"), logs(TIMES, "runs/full"))


def text_of(found, width):
    out = io.StringIO()
    terminal_fidelity.render(found, Console(file=out, width=width))
    return out.getvalue()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_tables_fit_and_answers_are_last(found, width):
    text = text_of(found, width)
    assert all(len(line) <= width for line in text.splitlines())
    joined = " ".join(text.split())
    assert "Compared: 6 submissions that both have on 3 workloads." in joined
    assert "<b>[bold]" in text and LONG[:16] in text
    predicts, carry = joined.index(fidelity.QUESTIONS[0]), joined.index(fidelity.QUESTIONS[1])
    assert joined.index("Kendall's tau-b") < predicts < carry
    assert "Yes, beyond chance. By time, tau is 1.00 (95%:" in joined
    assert ("No room" in text) == (width == 40)


def test_a_table_of_scores_is_said_to_have_no_studies():
    values = {name: 1 / (i + 1) for i, name in enumerate(TIMES)}
    found = compare(logs(TIMES, "runs/lite"), scores(values, "paper.csv"))
    text = " ".join(text_of(found, 80).split())
    assert "B: paper.csv (published without studies)" in text
    assert "B has no studies, so pairs count as told whose numbers differ." in text
    assert "Told apart by both and ordered otherwise by B: nadamw above sgd." in text


def test_verdicts_in_words():
    up = {name: {"v": (t, t), "w": (t, t)} for name, t in zip("abcd", (1, 2, 3, 4), strict=True)}
    down = {name: {"v": (t, t), "w": (t, t)} for name, t in zip("abcd", (4, 3, 2, 1), strict=True)}
    never = {name: {"v": (None,), "w": (None,)} for name in "abcd"}
    noisy = {name: {"v": (1, 9), "w": (9, 1)} for name in "abc"} | {"d": {"v": (8, 2), "w": (1, 5)}}

    def said(a, b):
        return fidelity.answers(compare(logs(a), logs(b, "B")))

    assert said(up, up)[0].startswith("Yes, beyond chance.")
    assert said(up, down)[0].startswith("No, its order is rather the reverse.")
    assert said(up, noisy)[0].startswith("Not shown: chance may explain it.")
    predicts, carry = said(never, up)
    assert predicts.startswith("It cannot be told") and carry.startswith("It cannot be told")
    assert said(up, up)[1] == "None: leaving any one out, tau is as high or higher."


def test_the_workload_that_surely_carries_it_is_named():
    right = {"a": (10, 10), "b": (12, 12), "c": (14, 14), "d": (16, 16)}
    a = {n: {"v": t, "w": tuple(20 - x / 2 for x in t)} for n, t in right.items()}
    found = compare(logs(a), logs({n: {"v": t, "w": t} for n, t in right.items()}, "B"))
    assert fidelity.answers(found)[1] == "Surely v (+2.00): tau is lower by that without it."


def test_the_picture_has_a_name_and_bars_for_each(found, tmp_path):
    drawn = fidelity_plot.figure(found)
    [axes] = drawn.axes
    texts = [text.get_text() for text in axes.texts]
    assert len(texts) == 6 and "nadamw" in texts and any("..." in text for text in texts)
    heights = [text.get_position()[1] for text in axes.texts]
    assert heights == sorted(heights) and len(set(heights)) == 6
    assert axes.get_xlabel() == "A: score by time, lite"
    # A point, two bars and a line to the name for each.
    assert len(axes.lines) == 4 * 6
    paths = fidelity_plot.write(found, tmp_path / "deep" / "plot")
    assert [path.suffix for path in paths] == [".svg", ".png"] and all(
        p.stat().st_size for p in paths
    )


def test_the_same_comparison_gives_the_same_picture(found, tmp_path):
    first, second = (fidelity_plot.write(found, tmp_path / name)[0] for name in ("x", "y"))
    assert first.read_bytes() == second.read_bytes()


def test_the_page_is_one_file_in_which_names_are_only_names(found, tmp_path):
    path = page.write(found, tmp_path / "deep" / "page.html")
    text = path.read_text()
    assert "&lt;b&gt;[bold]" in text and "<b>[bold]" not in text
    assert not re.search(r'(?:src|href)="(?!data:)', text)
    assert "Does A predict B?" in text and "Yes, beyond chance" in text
    assert text.count("<table") == 3 and "default-src &#39;none&#39;" in text
