"""When a validation metric has stopped to improve."""

LOWER_IS_BETTER = ("loss", "ctc_loss", "wer", "ppl")


def smoothed(values: list[float], decay: float) -> list[float]:
    """Exponential moving averages of a series."""
    averages = values[:1]
    for value in values[1:]:
        averages.append(decay * averages[-1] + (1 - decay) * value)
    return averages


def num_plateaus(values: list[float], metric_name: str, patience: int, decay: float) -> int:
    """How often the smoothed metric has not improved for `patience` evaluations in a row."""
    sign = -1 if metric_name in LOWER_IS_BETTER else 1
    best, waited, found = -float("inf"), 0, 0
    for value in smoothed(values, decay):
        waited = 0 if sign * value > best else waited + 1
        best = max(best, sign * value)
        if waited == patience:
            waited, found = 0, found + 1
    return found
