"""What a pack holds, what it is refused for, and how experiments are put together."""

import json

import pytest

from algoperf_lite import api
from scoring.logs import origins, pack

TRIAL = "nesterov/study_0/digits_jax/trial_1"


def changed(path, **fields):
    """Changes fields of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}, indent=1))


def test_a_directory_gives_the_pack_that_it_came_from(recorded, experiment, tmp_path):
    found = api.pack(experiment, tmp_path / "deep" / "again.zip")
    assert (found.num_trials, found.num_bytes) == (4, found.output.stat().st_size)
    again, first = pack.read(found.output), pack.read(recorded)
    assert again.files == first.files and len(again.files) == found.num_files
    assert again.about["submissions"].keys() == {"nadamw", "nesterov"}
    assert again.about["benchmark"] == "lite_v1" and again.about["num_trials"] == 4


def test_a_directory_may_be_relative_or_a_link(recorded, experiment, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(experiment)
    monkeypatch.chdir(tmp_path)
    for given in (experiment.name, "link"):
        found = api.pack(given, f"{given}.zip")
        assert pack.read(found.output).files == pack.read(recorded).files


def test_what_is_printed_or_half_done_and_where_things_lay_stays(experiment, tmp_path):
    trial = experiment / TRIAL
    (trial / "output.txt").write_text("printed")
    (trial / "interrupted_0").mkdir()
    (trial / "interrupted_0" / "eval_measurements.csv").write_text("half")
    (trial / "checkpoints").mkdir()
    (trial / "checkpoints" / "arrays").write_bytes(bytes(99))
    (experiment / "sources" / "nadamw" / "beside.py").write_text("no part of a native file")
    changed(trial / "flags_0.json", directory="/home/me/runs", data_dir="/home/me/data")
    api.pack(experiment, tmp_path / "one.zip")
    files = pack.read(tmp_path / "one.zip").files
    names = {name.rpartition("/")[2] for name in files if name.startswith(TRIAL)}
    assert names == {
        *("trial.json", "eval_measurements.csv", "measurements.csv", "hparams.json"),
        *("flags_0.json", "meta_data_0.json", "attempts.jsonl"),
    }
    flags = json.loads(files[f"{TRIAL}/flags_0.json"])
    assert (flags["directory"], flags["data_dir"]) == (TRIAL, None)
    assert flags["submission"] == "sources/nesterov/nesterov.py"
    assert not any(name.endswith("beside.py") for name in files)
    assert not any(b"/home/" in content for content in files.values())


def test_what_cannot_be_packed_is_refused_and_nothing_is_written(experiment, tmp_path):
    def refusal(directory=experiment, output="new.zip"):
        with pytest.raises(ValueError) as caught:
            api.pack(directory, tmp_path / output)
        assert not (tmp_path / "new.zip").exists()
        return str(caught.value)

    assert "no experiment's directory" in refusal(tmp_path)
    assert "ends with .zip" in refusal(output="new.tar")
    (tmp_path / "there.zip").write_text("mine")
    assert "is there already" in refusal(output="there.zip")
    assert (tmp_path / "there.zip").read_text() == "mine"
    changed(experiment / TRIAL / "trial.json", submission_sha256="0" * 64)
    assert "ran another text of 'nesterov'" in refusal()
    (experiment / TRIAL / "trial.json").unlink()
    assert f"1 of 4 trials in {str(experiment)!r} have not ended, such as {TRIAL}" in refusal()


def test_packs_and_directories_are_put_together(recorded, experiment, tmp_path):
    # The same submissions at another seed, on the same machine.
    for path in experiment.glob("*/*/*/*"):
        changed(path / "trial.json", experiment_seed=8)
        rows = (path / "eval_measurements.csv").read_text()
        (path / "eval_measurements.csv").write_text(rows.replace("0.", "0.0"))
    found = api.merge([recorded, experiment, recorded], tmp_path / "both")
    assert (found.directories, found.num_trials) == ((tmp_path / "both",), 8)
    assert (found.num_duplicates, found.renamed) == (0, ())
    places = {path.relative_to(tmp_path / "both").as_posix() for path in tmp_path.glob("both/*/*")}
    assert {f"{name}/study_{i}" for name in ("nadamw", "nesterov") for i in (0, 1)} < places
    rows = api.score(tmp_path / "both", only_present=True).rows
    assert [row.num_studies for row in rows] == [2, 2]
    # What was put together is packed, and put together again.
    api.pack(tmp_path / "both", tmp_path / "both.zip")
    again = api.merge([tmp_path / "both.zip", recorded], tmp_path / "more")
    assert (again.num_trials, again.num_duplicates) == (8, 4)
    names = [one["name"] for one in origins.experiments(tmp_path / "more")]
    assert names == ["recorded.zip", "experiment", "recorded.zip"]


def test_trials_of_unlike_machines_have_folders_of_their_own(recorded, experiment, tmp_path):
    for path in experiment.glob("*/*/*/*/trial.json"):
        fingerprint = json.loads(path.read_text())["fingerprint"]
        changed(path, fingerprint={**fingerprint, "key": "another"}, experiment_seed=8)
        rows = path.with_name("eval_measurements.csv")
        rows.write_text(rows.read_text().replace("0.", "0.0"))
    found = api.merge([recorded, experiment], tmp_path / "both")
    assert len(found.directories) == 2 and tmp_path / "both" / "another" in found.directories
    for directory in found.directories:
        assert len(api.score(directory, only_present=True).rows) == 2
    with pytest.raises(ValueError, match="different hardware fingerprints"):
        api.score(list(found.directories), only_present=True)


def test_a_changed_submission_of_the_same_name_is_another_one(recorded, experiment, tmp_path):
    source = experiment / "sources" / "nadamw" / "nadamw.py"
    source.write_text(source.read_text() + "# mine\n")
    changed(experiment / "sources" / "nadamw.json", sha256="1" * 64)
    for path in experiment.glob("nadamw/*/*/*/trial.json"):
        changed(path, submission_sha256="1" * 64)
    found = api.merge([recorded, experiment], tmp_path / "both")
    assert found.renamed == ((str(experiment), "nadamw", "nadamw_2"),)
    assert found.num_duplicates == 2  # nesterov's
    assert (tmp_path / "both/sources/nadamw_2/nadamw.py").read_text().endswith("# mine\n")
    assert (tmp_path / "both/sources/nadamw_2.json").exists()


def test_what_cannot_be_put_together_is_refused_and_nothing_is_written(
    recorded, experiment, tmp_path
):
    def refusal(*given):
        before = sorted(tmp_path.iterdir())
        with pytest.raises(ValueError) as caught:
            api.merge(given, tmp_path / "both")
        assert sorted(tmp_path.iterdir()) == before
        return str(caught.value)

    settings = json.loads((experiment / "experiment.json").read_text())["settings"]
    (tmp_path / "logs").mkdir()
    assert "no experiment's directory and no pack" in refusal(recorded, tmp_path / "logs")
    assert "does not exist" in refusal(recorded, tmp_path / "nowhere")
    changed(experiment / "experiment.json", settings={**settings, "benchmark": "lite_v7"})
    assert "is of benchmark 'lite_v1' and" in refusal(recorded, experiment)
    with pytest.raises(ValueError, match="choose by --benchmark"):
        api.score([recorded, experiment], only_present=True)
    assert api.score([recorded, experiment], benchmark="lite_v1", only_present=True).rows
    (tmp_path / "both").mkdir()
    assert "is there already" in refusal(recorded)


def test_a_board_of_packs_has_a_page(recorded, experiment, tmp_path):
    page = api.report([recorded, experiment], tmp_path / "page.html", only_present=True).output
    assert "nesterov" in page.read_text()
