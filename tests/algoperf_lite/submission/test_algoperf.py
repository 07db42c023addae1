"""Files in AlgoPerf's form: how they are found, loaded and asked, and what they see."""

import sys

import jax
import numpy as np
import pytest

import workloads
from algoperf_lite import tuning
from algoperf_lite.rules import tiny_workloads
from algoperf_lite.spec import ForwardPassMode
from algoperf_lite.submission import algoperf, algoperf_shim, algoperf_view, find

SELF = tuning.Ruleset("self", 1, 1, 1.5)
EXTERNAL = tuning.Ruleset("external", 1, 2, 1.0)
BODY = """
from algoperf import jax_sharding_utils, spec

def get_batch_size(workload_name: str) -> int:
    return {"criteo1tb": 262144, "wmt": 256}[workload_name]

def init_optimizer_state(workload: spec.Workload, model_params: spec.ParameterContainer,
                         model_state: spec.ModelAuxiliaryState,
                         hyperparameters: spec.Hyperparameters, rng: spec.RandomState):
    return {}, None

def update_params(workload, current_param_container, current_params_types, model_state,
                  hyperparameters, batch, loss_type, optimizer_state, eval_results, global_step,
                  rng):
    return optimizer_state, current_param_container, model_state

def data_selection(workload, input_queue, optimizer_state, current_param_container, model_state,
                   hyperparameters, global_step, rng):
    return next(input_queue)
"""


def _folder(tmp_path, body=BODY, **files):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, text in {"submission.py": body, **files}.items():
        (folder / name).write_text(text)
    return folder


def _load(folder):
    path = find.locate(str(folder))
    with algoperf_shim.installed(path):
        return algoperf.load(path)


def test_a_folder_is_a_submission_of_its_own_name(tmp_path):
    folder = _folder(tmp_path)
    path = find.locate(str(folder))
    assert path == (folder / "submission.py").resolve()
    assert find.name_of(path) == "mine"
    before = find.source_sha256(path)
    (folder / "helper.py").write_text("X = 1\n")
    assert find.source_sha256(path) != before


def test_algoperfs_names_are_ours_while_the_context_is_open_and_gone_after(tmp_path):
    with algoperf_shim.installed(find.locate(str(_folder(tmp_path)))):
        import algoperf.spec
        from algorithmic_efficiency import spec

        assert algoperf.spec is spec
        assert spec.ForwardPassMode is ForwardPassMode
        with pytest.raises(ImportError):
            import algoperf.workloads
    assert not any(name.startswith(("algoperf.", "algorithmic_")) for name in sys.modules)
    with pytest.raises(ImportError):
        import algoperf


def test_helper_modules_are_found_by_absolute_and_by_relative_names(tmp_path):
    folder = _folder(
        tmp_path,
        f"import my_helper_a\nfrom . import my_helper_b\nfrom .my_helper_b import B\n{BODY}",
        **{"my_helper_a.py": "A = 1\n", "my_helper_b.py": "B = 2\n"},
    )
    assert {module.__name__.rpartition(".")[2] for module in _load(folder).modules} == {
        "submission",
        "my_helper_a",
        "my_helper_b",
    }


def test_a_missing_function_is_named(tmp_path):
    with pytest.raises(ValueError, match="defines no data_selection"):
        _load(_folder(tmp_path, BODY.partition("def data_selection")[0]))


def test_hyperparameters_come_from_the_json_and_are_none_under_self_tuning(tmp_path):
    entry = _load(_folder(tmp_path, **{"tuning_search_space.json": '[{"a": 1.0}, {"a": 2.0}]'}))
    assert entry.point(SELF, 0, 0, 1) is None
    assert [entry.point(EXTERNAL, 0, 0, trial)["a"] for trial in (1, 2)] == [1.0, 2.0]
    (tmp_path / "mine" / "tuning_search_space.json").unlink()
    with pytest.raises(ValueError, match="no tuning_search_space.json"):
        _load(tmp_path / "mine").point(EXTERNAL, 0, 0, 1)


def test_a_batch_size_for_full_scale_is_scaled_to_lite(tmp_path):
    entry = _load(_folder(tmp_path))
    lite, full = (workloads.load("wmt", scale) for scale in ("lite", "full"))
    asked = algoperf.batch_size(entry, lite, num_devices=1)
    assert (asked.answer, asked.asked_as) == (256, "wmt")
    assert asked.used == round(256 * lite.batch_size / full.batch_size)
    variant = workloads.load("criteo1tb_layernorm")
    assert algoperf.batch_size(entry, variant, 1).asked_as == "criteo1tb"
    assert algoperf.batch_size(entry, full, 1).used == 256
    # Nothing is known of these, so the reference's batch size is taken.
    for name in ("ogbg", "digits"):
        other = workloads.load(name)
        assert algoperf.batch_size(entry, other, 1).used == other.batch_size
    assert algoperf.batch_size(entry, workloads.load("digits"), 48).used == 48


def test_layouts_are_told_by_whether_a_file_calls_pmap(tmp_path):
    assert _load(_folder(tmp_path)).layout == "jit"
    pmapped = "import functools\nimport jax\nstep = functools.partial(jax.pmap, axis_name='batch')"
    text = f"{BODY}\n{pmapped}\n"
    (tmp_path / "mine" / "submission.py").write_text(text)
    assert _load(tmp_path / "mine").layout == "pmap"


def test_a_submission_sees_a_workload_and_cannot_change_it():
    tiny = tiny_workloads.both("tiny", tiny_workloads.Names())[1]
    view = algoperf_view.AlgoPerfView(tiny, None, max_seconds=3.0)
    same = algoperf_view.AlgoPerfView(tiny, None)
    assert view == same and hash(view) == hash(same)
    assert view.step_hint == 100 and view.max_allowed_runtime_sec == 3.0
    assert view.metrics_logger is None
    assert same.max_allowed_runtime_sec == 100.0 and same.eval_period_time_sec == 2.5
    assert not hasattr(view, "name") and not hasattr(view, "eval_step")
    for name in ("dataset", "eval_dataset", "config"):
        with pytest.raises(AttributeError, match="a submission sees no"):
            getattr(view, name)
    for name in ("validation_target_value", "step_hint", "model_fn"):
        with pytest.raises(AttributeError, match="cannot change its workload"):
            setattr(view, name, 1)
    params, model_state = tiny.init_model_fn(np.zeros(2, np.uint32))
    batch = {name: values[:4] for name, values in tiny.source("train").arrays.items()}
    arguments = params, batch, model_state
    key = np.zeros(2, np.uint32)
    mode = ForwardPassMode.TRAIN
    logits, unchanged = view.model_fn(*arguments, mode, key, update_batch_norm=False)
    assert logits.shape == (4, 4)
    jax.tree.map(np.testing.assert_array_equal, unchanged, model_state)
    with pytest.raises(ValueError, match="use_running_average_bn"):
        view.model_fn(*arguments, mode, key, True, use_running_average_bn=True)
