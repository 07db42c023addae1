"""The table of multipliers from what is kept of a search."""

from studies.measurements import multipliers

FOUND = {
    "value": 2.828,
    "provenance": {
        "metric": "accuracy",
        "best_by_multiplier": {
            "1": [0.5, 0.6, 0.7],
            "1.414": [0.7, 0.9, 0.8],
            "2": [0.8, 0.8, 0.8],
            "2.828": [0.9, 0.85, 0.95],
            "4": [0.7, 0.8, None],
        },
    },
}


def test_a_line_has_the_medians_around_m_and_how_far_the_learning_rates_are_apart():
    origin = {
        "best_of_points": {"nadamw": {"hyperparameters": {"learning_rate": 4.22e-4}}},
        "best_of_more_points": {"nadamw": {"hyperparameters": {"learning_rate": 1.7e-3}}},
    }
    line = multipliers.row("imagenet_vit", FOUND, origin)
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == [
        *("imagenet_vit", "accuracy", "2.828"),
        *("0.8", "0.9", "-"),  # twice m was never tried: the search went up to 4
        *("0.000845", "0.000422 (2.00)", "0.0017 (2.01)"),
    ]


def test_runs_that_diverged_have_no_median_and_families_without_points_no_rate():
    found = {**FOUND, "value": 2.0}
    line = multipliers.row("ogbg", found, None)
    assert "| 0.6 | 0.8 | diverged | 0.00175 | - | - |" in line
