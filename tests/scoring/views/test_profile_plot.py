"""The performance profile as a figure."""

import pytest

import scoring
from scoring.views import profile_plot


def many(trial_of, benchmark_of, num):
    base = ("a", "b", "c", "d")
    trials = [
        trial_of(f"submission_{s}", study, w, 1, 10.0 + (7 * s * (i + 1)) % 40)
        for s in range(num)
        for i, w in enumerate(base)
        for study in range(2)
    ]
    return scoring.score_trials(trials, benchmark_of(base))


def test_plot_files_are_reproducible(trial_of, benchmark_of, tmp_path):
    board = many(trial_of, benchmark_of, 12)
    svg, png = profile_plot.write(board, tmp_path / "profile")
    assert (svg.name, png.name) == ("profile.svg", "profile.png")
    assert png.read_bytes().startswith(b"\x89PNG") and b"</svg>" in svg.read_bytes()
    again, _ = profile_plot.write(board, tmp_path / "again")
    assert again.read_bytes() == svg.read_bytes()


def test_names_with_dollars_and_underscores_can_be_drawn(tree, tmp_path):
    tree.trial("_a$b^{$/study_0/toy_jax/trial_0")
    svg, _ = profile_plot.write(tree.score(), tmp_path / "p")
    assert svg.stat().st_size > 1000


def test_curve_has_the_exact_corners(trial_of, benchmark_of):
    times = {"s": {"a": 1.0, "b": 2.0, "c": 4.0}, "t": {"a": 2.0, "b": 1.0, "c": 1.0}}
    trials = [trial_of(s, 0, w, 1, t) for s, row in times.items() for w, t in row.items()]
    entries = {e.submission: e for e in scoring.score_trials(trials, benchmark_of("abc")).rows}
    tau, share = profile_plot.corners(entries["s"])
    assert tau.tolist() == [1.0, 1.0, 2.0, 4.0, 4.0]
    assert share.tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3, 1.0, 1.0])


def test_labels_keep_their_order_and_distance():
    ends = [0.0, 0.0, 0.5, 0.98, 1.0, 1.0]
    spots = profile_plot.spread(ends, gap=0.1)
    assert spots == sorted(spots) and max(spots) <= 1.0
    assert min(b - a for a, b in zip(spots, spots[1:], strict=False)) == pytest.approx(0.1)
