"""Finding and loading submissions, and the message for each way to get one wrong."""

import pytest

import workloads
from algoperf_lite import tuning
from algoperf_lite.schedules import warmup_cosine
from algoperf_lite.spec import hyperparameters
from algoperf_lite.submission import find, native

SELF = tuning.Ruleset("self", 3, 1, 1.5)
EXTERNAL = tuning.Ruleset("external", 3, 5, 1.0)
OPTIMIZER = "import optax\ndef optimizer(workload, hyperparameters):\n    return optax.sgd(0.1)\n"


def _write(folder, text, name="mine.py"):
    path = folder / name
    path.write_text(text)
    return str(path)


def test_a_file_by_path_is_loaded_with_defaults(tmp_path):
    entry = native.load(_write(tmp_path, OPTIMIZER))
    assert entry.name == "mine"
    assert entry.point(SELF, 0, 0, 1) is None
    assert entry.eval_params is None
    assert entry.source == OPTIMIZER


def test_a_file_named_like_a_library_does_not_shadow_it(tmp_path):
    entry = native.load(_write(tmp_path, OPTIMIZER, "optax.py"))
    assert entry.name == "optax"
    import optax

    assert hasattr(optax, "sgd")


def test_unknown_names_and_paths_are_answered_with_the_nearest():
    with pytest.raises(ValueError, match="unknown submission 'nadam'; did you mean 'nadamw'"):
        find.locate("nadam")
    with pytest.raises(ValueError, match="'nowhere/x.py' does not exist"):
        find.locate("nowhere/x.py")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "defines no optimizer"),
        ("def update_params(): pass\n", "AlgoPerf's form"),
        (
            OPTIMIZER + "def schedule(workload, hyperparameters): pass\n",
            r"defines a schedule, it must take \(workload, hyperparameters, learning_rate",
        ),
        (
            OPTIMIZER + "def data_selection(workload, input_queue, *, rng): pass\n",
            r"has data_selection \(workload, input_queue, \*, rng\); .* take \(workload, hyper",
        ),
        (OPTIMIZER + "data_selection = 3\n", "has data_selection 3; in a file with an optimizer"),
        (
            "def optimizer(workload): pass\n",
            r"as there is no schedule, it must take \(workload, hyperparameters\)",
        ),
        (OPTIMIZER + "search_space = {'lr': 3}\n", r"search_space\['lr'\] is 3"),
    ],
)
def test_files_that_are_no_submission(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        native.load(_write(tmp_path, text))


def test_the_ruleset_decides_where_the_point_comes_from(tmp_path):
    space = "search_space = {'lr': {'min': 1e-3, 'max': 1e-1, 'scaling': 'log'}}\n"
    both = native.load(
        _write(tmp_path, OPTIMIZER + space + "self_tuning_point = {'lr': 0.5}\n", "both.py")
    )
    assert both.point(SELF, 0, 0, 1) == {"lr": 0.5}
    assert 1e-3 <= both.point(EXTERNAL, 0, 0, 1)["lr"] <= 1e-1
    only_space = native.load(_write(tmp_path, OPTIMIZER + space, "space.py"))
    with pytest.raises(ValueError, match="no self_tuning_point, which the ruleset 'self' needs"):
        only_space.point(SELF, 0, 0, 1)
    only_point = native.load(
        _write(tmp_path, OPTIMIZER + "self_tuning_point = {'lr': 0.5}\n", "point.py")
    )
    with pytest.raises(ValueError, match="no search_space, which the ruleset 'external' needs"):
        only_point.point(EXTERNAL, 0, 0, 1)


def test_an_optimizer_that_takes_a_learning_rate_gets_the_default_schedule(tmp_path):
    optimizer = "def optimizer(workload, hyperparameters, learning_rate): pass\n"
    entry = native.load(_write(tmp_path, optimizer, "with_rate.py"))
    workload = workloads.load("digits")
    point = {"learning_rate": 0.5, "horizon": 1.25}
    found = entry.schedule(workload, hyperparameters(point))
    expected = warmup_cosine(1.25 * workload.step_hint, 0.5)
    for step in (0, 7, workload.step_hint // 2, workload.step_hint):
        assert found(step) == expected(step)
    slow = entry.schedule(workload, hyperparameters({**point, "warmup_factor": 0.2}))
    expected = warmup_cosine(1.25 * workload.step_hint, 0.5, warmup=0.2)
    assert slow(20) == expected(20) != found(20)
    whole = entry.schedule(workload, hyperparameters({"learning_rate": 0.5}))
    assert whole(workload.step_hint) == warmup_cosine(workload.step_hint, 0.5)(workload.step_hint)
    find.check_schedule_can_be_replaced(entry.path)
    # A third argument with a default shows that the file can do without one.
    optional = "def optimizer(workload, hyperparameters, learning_rate=1.0): pass\n"
    entry = native.load(_write(tmp_path, optional, "without_rate.py"))
    assert entry.schedule is None
    with pytest.raises(ValueError, match="takes no learning_rate"):
        find.check_schedule_can_be_replaced(entry.path)


def test_the_hash_follows_the_file(tmp_path):
    one = native.load(_write(tmp_path, OPTIMIZER, "one.py"))
    two = native.load(_write(tmp_path, OPTIMIZER + "# changed\n", "two.py"))
    assert one.sha256 != two.sha256
