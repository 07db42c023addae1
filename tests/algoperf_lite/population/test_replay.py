"""A population's winner as a submission file: it trains as the winner's line did."""

import ast
import importlib.util
import json

import jax
import numpy as np
import pytest

import workloads
from algoperf_lite.population import evolution, lineage, replay
from algoperf_lite.population.config import PopulationConfig
from algoperf_lite.schedules import text
from algoperf_lite.submission import find, native
from algoperf_lite.training import streams, train_step

CLIPPED = '''"""SGD whose training step reads two hyperparameters itself."""

from __future__ import annotations

import optax  # the only import

search_space = {
    "learning_rate": {"min": 1e-3, "max": 1e-1, "scaling": "log"},
    "grad_clip": {"min": 0.1, "max": 1.0, "scaling": "log"},
    "decay_steps": {"feasible_points": [10, 20, 40]},
}


def _chain(*parts, schedule=None):  # a name of its own that is also a name of the file
    return optax.chain(*parts) if schedule is None else schedule


def optimizer(workload, hyperparameters):
    hp = hyperparameters

    def rate(step):
        return hp.learning_rate * 0.5 ** (step / hp.decay_steps)

    return _chain(optax.sgd(rate, momentum=0.9))
'''
WARM = {"warmup_factor": 0.02}
ADAM = {**WARM, "horizon": 1.0, "one_minus_beta2": 0.01}
LINES = {
    "nadamw": (
        (0, {**ADAM, "learning_rate": 3e-3, "one_minus_beta1": 0.1, "weight_decay": 0.1}),
        (3, {**ADAM, "learning_rate": 2e-2, "one_minus_beta1": 0.05, "weight_decay": 0.5}),
        (5, {**ADAM, "learning_rate": 1e-2, "one_minus_beta1": 0.2, "weight_decay": 0.0}),
    ),
    "schedule_free_adamw": (
        (0, {**WARM, "learning_rate": 3e-3, "one_minus_beta1": 0.1, "weight_decay": 0.1}),
        (4, {**WARM, "learning_rate": 2e-2, "one_minus_beta1": 0.05, "weight_decay": 0.5}),
    ),
    "clipped": (
        (0, {"learning_rate": 0.05, "grad_clip": 0.5, "decay_steps": 10}),
        (2, {"learning_rate": 0.02, "grad_clip": 0.5, "decay_steps": 40}),
    ),
}
# The reference on schedules with parameters of the point; each schedule takes its own of these.
SEARCHED = (
    {"schedule_phi": 0.5, "schedule_warmup": 0.2, "schedule_end": 0.1},
    {"schedule_phi": 5.0, "schedule_warmup": 0.1, "schedule_end": 0.2},
    {"schedule_phi": 1.0, "schedule_warmup": 0.1, "schedule_end": 0.01},
)
CURVES = (
    {"schedule_a": a, "schedule_decay": d} for a, d in ((0.001, 0.2), (0.003, 0.5), (1.0, 0.3))
)
LINES["searched"] = tuple(
    (step, {**point, **own, **curve})
    for (step, point), own, curve in zip(LINES["nadamw"], SEARCHED, CURVES, strict=True)
)
NUM_STEPS = 8


def _origin(source, schedule=None):
    return replay.Origin("mine", "digits", 0, source, schedule, 1.0, 300, 4)


def _source(name):
    files = {"searched": "nadamw"}
    return CLIPPED if name == "clipped" else find.locate(files.get(name, name)).read_text()


def _rates_and_params(submission, point_of):
    """What `NUM_STEPS` steps do, the hyperparameters of each by `point_of(step)`."""
    workload = workloads.load("digits")
    rows = np.arange(workload.batch_size)
    batch = {name: values[rows] for name, values in workload.dataset("train").items()}
    traced, static = train_step.split_point(point_of(0))
    training = train_step.TrainStep(workload, submission, static)
    state = jax.jit(training.init)(traced, *train_step.init_model(workload, 0))
    step, rates = jax.jit(training.step), []
    for number in range(NUM_STEPS):
        traced, _ = train_step.split_point(point_of(number))
        rate = training.learning_rate(traced, np.int32(number))
        rates += [] if rate is None else [float(rate)]
        state = step(state, traced, batch, streams.key(np.uint32(7), number))
    params = state.params
    if submission.eval_params is not None:
        params = submission.eval_params(state.optimizer_state, params)
    return rates, params


def _at(line):
    return lambda step: [point for first, point in line if first <= step][-1]


@pytest.mark.parametrize(
    ("name", "schedule"),
    [
        ("nadamw", None),
        ("schedule_free_adamw", None),
        ("clipped", None),
        ("nadamw", "uba:phi=5:end=0.1"),
        ("nadamw", "wsd:decay=0.2"),
        ("nadamw", "inverse_sqrt:decay=0.3:cooldown=cosine"),
        ("searched", "uba:phi=search:warmup=search:end=search"),
        ("searched", "power:a=search:decay=search:cooldown=linear"),
    ],
)
def test_the_file_trains_as_the_line_did(tmp_path, name, schedule):
    path = tmp_path / "original.py"
    path.write_text(_source(name))
    original = native.load(str(path))
    if schedule is not None:
        original = original.on_schedule(text.parse(schedule))
    written = tmp_path / "follows.py"
    written.write_text(replay.text(LINES[name], _origin(path.read_text(), schedule)))
    follows = native.load(str(written))
    own = follows.self_tuning_point
    rates, params = _rates_and_params(original, _at(LINES[name]))
    found_rates, found = _rates_and_params(follows, lambda step: own)
    assert found_rates == pytest.approx(rates, rel=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, params)
    # The line matters: on its first point alone, training ends elsewhere.
    _, fixed = _rates_and_params(original, lambda step: LINES[name][0][1])
    leaves = zip(jax.tree.leaves(fixed), jax.tree.leaves(params), strict=True)
    assert max(float(np.max(np.abs(a - b))) for a, b in leaves) > 1e-4


def test_what_the_training_step_reads_stays_where_the_line_ends():
    line = (
        (0, {"learning_rate": 0.1, "grad_clip": 0.5}),
        (9, {"learning_rate": 1, "grad_clip": 2}),
    )
    assert replay.held(line) == {"grad_clip": 2}
    written = replay.text(line, _origin(CLIPPED))
    assert 'self_tuning_point = {"grad_clip": 2}' in written
    assert 'search_space = {"grad_clip": {"feasible_points": [2]}}' in written
    assert "grad_clip cannot follow it" in " ".join(written.split())


def test_the_author_s_text_is_kept_and_the_file_says_where_it_is_from():
    written = replay.text(LINES["clipped"], _origin(CLIPPED))
    tree = ast.parse(written)
    assert isinstance(tree.body[1], ast.ImportFrom) and tree.body[1].module == "__future__"
    assert "import optax  # the only import" in written
    assert "_chain(*parts, schedule=None):  # a name of its own" in written
    assert "def optimizer_at(workload, hyperparameters):" in written
    assert "lineage of 4 members on digits (study 0, 300 steps)" in ast.get_docstring(tree)


def test_names_in_the_way_are_said():
    source = CLIPPED + "\nLINE = 3\n"
    with pytest.raises(ValueError, match="submission 'mine' defines LINE, which the file"):
        replay.text(LINES["clipped"], _origin(source))


def test_a_lineage_that_does_not_say_enough_is_refused(tmp_path):
    space = {"learning_rate": {"min": 1e-3, "max": 1e-2, "scaling": "log"}}
    first = evolution.initial(space, PopulationConfig(2, 10), 0)
    path = tmp_path / lineage.FILE
    with pytest.raises(ValueError, match="No such file"):
        replay.read(path)
    path.write_text("step,loss\n")
    with pytest.raises(ValueError, match="is not a lineage"):
        replay.read(path)
    lineage.write(path, (first,))
    with pytest.raises(ValueError, match="none won"):
        replay.read(path)
    lineage.write(path, (first, evolution.unchanged((first,), 10, (0.5, 0.4))))
    with pytest.raises(ValueError, match="does not say which submission the lineage is of"):
        replay.read(path)
    record = {
        "submission": "nadamw+pbt(2)",
        "workload": "digits",
        "study": 0,
        "submission_source": "import optax\n",
        "schedule": None,
        "budget": 1.0,
        "step_hint": 300,
        "pbt": {"size": 2},
    }
    (tmp_path / "trial.json").write_text(json.dumps(record))
    line, origin = replay.read(path)
    assert line == ((0, dict(first.points[1])),)
    assert origin == replay.Origin(
        "nadamw+pbt(2)", "digits", 0, "import optax\n", None, 1.0, 300, 2
    )


def test_written_files_are_formatted(tmp_path):
    if importlib.util.find_spec("ruff") is None:
        pytest.skip("ruff is not installed")
    import subprocess
    import sys

    for name, line in LINES.items():
        (tmp_path / f"{name}.py").write_text(replay.text(line, _origin(_source(name))))
    for command in (["format", "--check"], ["check", "--select=E,F"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--line-length=100", tmp_path],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout
