"""Parameters of schedules that are to be searched: their space, their values, their pictures."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

from algoperf_lite import tuning
from algoperf_lite.experiment import catalog
from algoperf_lite.schedules import plot
from algoperf_lite.schedules.signatures import RANGES, signatures
from algoperf_lite.schedules.text import parse

POWER = {"batch_size": 8, "tokens_per_step": 1000}
SCHEDULES = {name: found for name, found in signatures().items() if found.is_schedule}
SEARCHED = [(name, parameter) for name, found in SCHEDULES.items() for parameter in found.searched]


def _text(name, parameter, value):
    # `end` means something for a schedule without a horizon only where it decays.
    needs_decay = parameter == "end" and SCHEDULES[name].returns == "Schedule"
    return f"{name}:{parameter}={value}" + (":decay=0.3" if needs_decay else "")


def _rates(build, *numbers):
    steps = np.arange(0, 1001, 10)
    return np.asarray(jax.jit(lambda steps, *n: jax.vmap(build(*n))(steps))(steps, *numbers))


@pytest.mark.parametrize(("name", "parameter"), SEARCHED)
def test_a_value_that_was_drawn_does_what_the_same_number_in_text_does(name, parameter):
    named = parse(_text(name, parameter, "search"))
    hyperparameter = f"schedule_{parameter}"
    assert list(named.search_space) == [hyperparameter]
    dimension = named.search_space[hyperparameter]
    tuning.check_search_space(named.search_space)

    def build(value):
        point = SimpleNamespace(**{hyperparameter: value})
        return named.at(point).build(1000, 0.5, step_hint=1000, **POWER)

    found = []
    for unit in (0.0, 0.3, 1.0):
        value = tuning.value_at(dimension, unit)
        fixed = parse(_text(name, parameter, repr(value))).build(1000, 0.5, 1000, **POWER)
        found.append(_rates(build, np.float32(value)))
        np.testing.assert_allclose(found[-1], _rates(lambda b=fixed: b), rtol=1e-4, atol=1e-6)
    # Each range is one in which the parameter changes something.
    assert np.abs(found[0] - found[2]).max() > 1e-4


@pytest.mark.parametrize(("name", "parameter"), SEARCHED)
def test_a_range_lies_within_what_text_may_say(name, parameter):
    found = signatures()[name].parameters[parameter]
    for unit in (0.0, 0.5, 1.0):
        assert RANGES[found.kind].holds(tuning.value_at(found.searched, unit))


def test_texts_labels_and_spaces():
    named = parse("wsd:decay=search:cooldown=linear:warmup=search")
    assert named.label == "wsd(decay=search,cooldown=linear,warmup=search)"
    assert parse(str(named)) == named and hash(named)
    assert list(named.search_space) == ["schedule_decay", "schedule_warmup"]
    assert named.is_horizon_aware
    assert parse("power:decay=search").is_horizon_aware
    assert parse("uba:phi=5").search_space == {}
    named.search_space["schedule_decay"].clear()  # a copy: the signatures are everybody's
    assert named.search_space["schedule_decay"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("uba:restarts=search", "restarts of uba cannot be searched, since it is a list; give its"),
        ("wsd:cooldown=search", "cooldown of wsd cannot be searched, since it names a shape; give"),
        ("inverse_sqrt:timescale=search", "since no range to be searched in is known for it"),
        ("uba:ph=search", "unknown parameter of uba 'ph'; did you mean 'phi'?"),
        ("rex:phi=search", "unknown parameter of rex 'phi'"),
        ("uba:phi=serach", "phi of uba is 'serach', expected a number above 0"),
        ("wsd:decay=0.9:warmup=search", "warmup 0.2 and decay 0.9 of wsd add up to more"),
        ("wsd:warmup=0.6:decay=search", "warmup 0.6 and decay 0.5 of wsd add up to more"),
        ("power:end=search", "power has end but no decay"),
        ("uba:phi=search:phi=search", "phi is twice in schedule"),
    ],
)
def test_what_cannot_be_searched_is_one_sentence(text, sentence):
    with pytest.raises(ValueError) as error:
        parse(text)
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_a_schedule_is_built_at_a_point_that_has_its_values():
    named = parse("uba:phi=search")
    with pytest.raises(ValueError, match="uba:phi=search is to be searched; say `at` which point"):
        named.build(100, 1.0)
    with pytest.raises(ValueError, match="wants a hyperparameter schedule_phi, which the point"):
        named.at(SimpleNamespace(learning_rate=1.0))


def test_a_picture_has_a_band_and_a_name(tmp_path):
    named = [parse("uba:phi=search:warmup=search"), parse("cosine")]
    plain = plot.draw([parse("uba:phi=2"), named[1]], tmp_path / "plain.svg", num_steps=50)
    path = plot.draw(named, tmp_path / "band.svg", num_steps=50)
    assert path.read_text().count("FillBetweenPolyCollection") == 1
    assert "FillBetweenPolyCollection" not in plain.read_text()


def test_the_catalog_names_what_is_a_schedules_own():
    lines = {row.name: row.line for row in catalog.listed("schedules")}
    assert lines["uba"].endswith(" Can be searched: phi.")
    assert lines["power"].endswith(" Can be searched: a, b.")
    assert "searched" not in lines["cosine"] + lines["cool_down"]
