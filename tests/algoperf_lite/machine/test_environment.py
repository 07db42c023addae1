"""The environment of a trial's process."""

from algoperf_lite.machine import environment


def test_xlas_flags_are_those_that_are_meant_for_trials(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--of_other_work")
    monkeypatch.delenv("ALGOPERF_LITE_XLA_FLAGS", raising=False)
    assert environment.environment(1, None)["XLA_FLAGS"] == ""
    monkeypatch.setenv("ALGOPERF_LITE_XLA_FLAGS", "--a --b")
    assert environment.environment(1, None)["XLA_FLAGS"] == "--a --b"


def test_threads_are_as_many_as_cores_and_programs_are_kept_where_there_is_a_folder(tmp_path):
    found = environment.environment(3, tmp_path)
    assert {found[f"{name}_NUM_THREADS"] for name in ("OMP", "MKL", "OPENBLAS")} == {"3"}
    assert found["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path)
