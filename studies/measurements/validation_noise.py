"""The standard error of each validation metric, beside how much training still improves it.

Trains the reference at its self-tuning point for one step hint per workload and resamples the
validation examples: the standard error is that of a bootstrap over examples.

    python -m studies.measurements.validation_noise
"""

import argparse

import numpy as np

import workloads
from algoperf_lite.spec import Workload, num_examples
from algoperf_lite.training import calibration as training_calibration
from algoperf_lite.training.evaluation import Evaluator
from studies import script
from studies.measurements import reference

SMOKE = {"workloads": ["digits"], "num_resamples": 2}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what is trained and how often it is resampled."""
    parser.add_argument("--workloads", type=script.listed(), default=workloads.names())
    parser.add_argument("--num_resamples", type=int, default=200, help="of the bootstrap")
    reference.add_core_flag(parser)


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    reference.pin(arguments.core)
    print("| workload | examples | metric at 90% | at 100% | standard error | of the improvement |")
    print("|---|---|---|---|---|---|")
    for name in arguments.workloads:
        print(_row(name, arguments.num_resamples), flush=True)


def _row(name: str, num_resamples: int) -> str:
    workload = workloads.load(name)
    calibration = training_calibration.calibrate(name, "lite")
    way = calibration.mode, calibration.steps_per_dispatch
    _, stepper, state = reference.stepper(workload, *way)
    evaluate = Evaluator(workload)
    evaluate.compile(state.params, state.model_state)

    metric, hint = workload.target_metric_name, workload.step_hint
    # A tenth of training is about what a better algorithm saves.
    early = round(0.9 * hint)
    state = stepper.advance(state, 0, early)
    before = evaluate(state.params, state.model_state, "validation")[f"validation/{metric}"]
    state = stepper.advance(state, early, hint - early)
    # Outputs are kept, as resampling them costs a thousandth of predicting them again.
    outputs = evaluate.outputs(state.params, state.model_state, "validation")
    after = workload.eval_metrics(outputs)[metric]
    error = standard_error(workload, outputs, num_resamples)
    share = error / abs(after - before) if after != before else np.inf
    total = num_examples(outputs)
    return f"| {name} | {total} | {before:.4g} | {after:.4g} | {error:.2g} | {share:.2f} |"


def standard_error(workload: Workload, outputs: dict[str, np.ndarray], num_resamples: int) -> float:
    """Bootstrap standard error, over examples, of the target metric."""
    # No seed as a flag: the resamples are to be the same for whoever runs this.
    rng = np.random.default_rng(0)
    total = num_examples(outputs)
    values = []
    for _ in range(num_resamples):
        rows = rng.integers(total, size=total)
        resampled = {key: array[rows] for key, array in outputs.items()}
        # Recomputed as a whole, since BLEU and mean precision are no means over examples.
        values.append(workload.eval_metrics(resampled)[workload.target_metric_name])
    return float(np.std(values, ddof=1))


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
