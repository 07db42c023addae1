"""Published tables and mappings: both kinds in both formats, and what is wrong with bad ones."""

import json

import pytest

from scoring.logs import name_pairs, published

SCORES = "# from a paper\nsubmission,score,rank\nshampoo,0.7784,1\nbaseline,0.5707,6\n"
TIMES = "submission,workload,time,study\na,wmt,10.5,0\na,wmt,11,1\na,ogbg,inf,0\nb,wmt,never,0\n"


def test_scores_and_times_are_read(tmp_path):
    (tmp_path / "s.csv").write_text(SCORES)
    found = published.read(tmp_path / "s.csv")
    assert found.scores == {"shampoo": 0.7784, "baseline": 0.5707} and not found.times
    assert found.submissions == ("baseline", "shampoo")
    (tmp_path / "t.csv").write_text(TIMES)
    found = published.read(tmp_path / "t.csv")
    inf = float("inf")
    assert found.times == {
        ("a", "wmt"): {0: 10.5, 1: 11.0},
        ("a", "ogbg"): {0: inf},
        ("b", "wmt"): {0: inf},
    }


def test_json_says_the_same(tmp_path):
    rows = [{"submission": "a", "workload": "wmt", "time": 10.5}]
    rows += [{"submission": "a", "workload": "ogbg", "time": None}]
    (tmp_path / "t.json").write_text(json.dumps(rows))
    found = published.read(tmp_path / "t.json")
    assert found.times == {("a", "wmt"): {0: 10.5}, ("a", "ogbg"): {0: float("inf")}}
    (tmp_path / "s.json").write_text(json.dumps([{"submission": "a", "score": 0.5}]))
    assert published.read(tmp_path / "s.json").scores == {"a": 0.5}


def test_what_score_prints_as_json_is_a_table_of_times(tree, tmp_path):
    tree.trial("s/study_0/toy_jax/trial_0", times=(1.0, 2.0))
    tree.trial("t/study_0/toy_jax/trial_0", metrics=(0.1, 0.2))
    board = tree.score()
    (tmp_path / "board.json").write_text(json.dumps(board.to_json()))
    found = published.read(tmp_path / "board.json")
    assert found.times == {("s", "toy"): {0: 2.0}, ("t", "toy"): {0: float("inf")}}


BAD = {
    "submission,score\na,x\n": "line 2, has the score 'x'; expected a number",
    "submission,score\na,inf\n": "line 2, has the score 'inf'; expected a number",
    "# a note\nsubmission,score\n\na,1\nb\n": "line 5, has 1 cells for 2 columns",
    "submission,score\na,1\na,2\n": "line 3, repeats an earlier row",
    "submission,workload,time\na,wmt,-1\n": "line 2, has the time '-1'; expected seconds",
    "submission,workload,time,study\na,wmt,1,x\n": "line 2, has the study 'x'",
    "submission,score\n,1\n": "line 2, names no submission",
    "name,score\na,1\n": "has the columns name, score; expected submission, score",
    "": "has the columns nothing",
    "submission,score\n": "holds no row",
    "submission,score,workload,time\na,1,,\nb,,wmt,3\n": "holds both scores and times",
}


@pytest.mark.parametrize(("text", "words"), BAD.items())
def test_a_bad_table_is_refused_with_its_line(tmp_path, text, words):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=words) as error:
        published.read(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no JSON"),
        ('{"a": 1}', "neither a list of rows nor"),
        ("[1]", "row 1, is no object"),
        ('[{"submission": "a"}]', "row 1, has submission; expected"),
        ("3", "holds no row"),
    ],
)
def test_bad_json_is_refused(tmp_path, text, words):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(ValueError, match=words):
        published.read(tmp_path / "bad.json")


def test_a_table_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00submission")
    with pytest.raises(ValueError, match="cannot be read .not UTF-8 text.; give a CSV or JSON"):
        published.read(tmp_path / "t.csv")


def test_mappings_come_from_texts_and_files(tmp_path):
    (tmp_path / "m.json").write_text('{"prodigy": "schedule_free_prodigy"}')
    (tmp_path / "m.csv").write_text("a,b\nshampoo, shampoo_submission\n")
    given = ["nadamw=baseline, x = y", str(tmp_path / "m.json"), str(tmp_path / "m.csv")]
    assert name_pairs.parse(given) == {
        "nadamw": "baseline",
        "x": "y",
        "prodigy": "schedule_free_prodigy",
        "shampoo": "shampoo_submission",
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("a=b,c", "--match=a=b,c: got 'c'; expected A_NAME=B_NAME"),
        ("a=,c=d", "got an empty name"),
        ("a=b,a=c", "'a' is matched with 'b' already"),
        ("nothing.txt", "--match=nothing.txt: expected A_NAME=B_NAME"),
        ("nothing.json", "nothing.json cannot be read"),
    ],
)
def test_a_bad_mapping_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        name_pairs.parse([given])


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("m.csv", "x,y\n", "expected the header a,b"),
        ("m.csv", "a,b\nx,y\nz\n", "line 3: got 1 cells; expected two"),
        ("m.json", "[]", "expected an object of names"),
        ("m.json", "{", "is no JSON"),
    ],
)
def test_a_bad_file_of_a_mapping_is_refused(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=words):
        name_pairs.parse([str(tmp_path / name)])
