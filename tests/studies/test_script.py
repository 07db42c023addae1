"""The command line that all scripts of studies share."""

import pytest

from studies import script


def add_flags(parser):
    parser.add_argument("--seeds", type=script.listed(int), default=[0, 1, 2])
    parser.add_argument("--workload", default="wmt")


def parse(*argv, smoke=None):
    return script.parse("A study.", add_flags, smoke or {"seeds": [0]}, argv)


def test_smoke_takes_the_place_of_what_was_given_and_of_nothing_else():
    assert parse("--seeds=4,5").seeds == [4, 5]
    small = parse("--seeds=4,5", "--workload=digits", "--smoke")
    assert (small.seeds, small.workload) == ([0], "digits")


def test_a_smoke_size_of_no_flag_is_a_mistake_of_the_script():
    with pytest.raises(AssertionError, match="no flag for {'sedes'}"):
        parse("--smoke", smoke={"sedes": [0]})


def test_a_list_says_what_it_holds(capsys):
    with pytest.raises(SystemExit):
        parse("--seeds=4,five")
    assert "invalid list of int value: '4,five'" in capsys.readouterr().err


def test_flags_are_not_cut_short(capsys):
    with pytest.raises(SystemExit):
        parse("--seed=4")
    assert "unrecognized arguments: --seed=4" in capsys.readouterr().err


def test_a_mistake_of_the_user_is_one_sentence(monkeypatch, capsys):
    def run(arguments):
        raise ValueError(f"no workload {arguments.workload!r}")

    monkeypatch.setattr("sys.argv", ["study"])
    with pytest.raises(SystemExit) as ended:
        script.main("A study.", add_flags, run, {})
    assert ended.value.code == 2
    assert capsys.readouterr().err == "no workload 'wmt'\n"
