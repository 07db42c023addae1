"""Sentences of the transfer grammar: clauses of a dozen kinds, said in four ways.

German puts the finite verb second in statements, first in questions and last in subordinate
clauses; separable prefixes, participles and infinitives go to the end. Every English sentence has
one translation here. Sub-words are divided by `|`; sentences start in lower case.
"""

from collections.abc import Callable
from typing import NamedTuple

from workloads.wmt import lexicon
from workloads.wmt.grammar import (
    Draw,
    amount,
    counted,
    date,
    definite,
    duration,
    join,
    person,
    things,
    time,
)
from workloads.wmt.numerals import Pair, cardinal
from workloads.wmt.verbs import Verb, conjugate, simple


class Subject(NamedTuple):
    """The person or thing that a clause is about, in both languages."""

    en: str
    de: str
    plural: bool = False


class Clause(NamedTuple):
    """Subject, verb, time, and the rest: in German what is before and after the time."""

    subject: Subject
    verb: Verb
    en: str = ""
    before: str = ""
    after: str = ""
    time: Pair | None = None


# --- clauses ----------------------------------------------------------------------------------


def _somebody(draw: Draw) -> Subject:
    if draw.pick(range(5)) == 0:
        return Subject(*draw.pick((("we", "wir"), ("they", "sie"))), plural=True)
    return Subject(*person(draw, "nom"))


def _somebody_else(draw: Draw, subject: Subject, case: str) -> Pair:
    # English has "himself" for a person who meets himself, German "sich": one word too many for
    # this grammar.
    found = person(draw, case)
    while found.en == subject.en:
        found = person(draw, case)
    return found


def _tense(draw: Draw) -> str:
    return draw.pick(("present", "past", "past", "modal"))


def _handling(draw: Draw) -> Clause:
    subject, tense = _somebody(draw), _tense(draw)
    verb = conjugate(draw, draw.word(lexicon.VERBS_OF_THINGS), tense, subject.plural)
    what = things(draw, "acc")
    return Clause(subject, verb, what.en, after=what.de, time=time(draw, tense))


def _meeting(draw: Draw) -> Clause:
    subject, tense = _somebody(draw), _tense(draw)
    verb = conjugate(draw, draw.word(lexicon.VERBS_OF_PEOPLE), tense, subject.plural)
    whom = _somebody_else(draw, subject, "acc")
    return Clause(subject, verb, whom.en, after=whom.de, time=time(draw, tense))


def _giving(draw: Draw) -> Clause:
    subject, tense = _somebody(draw), _tense(draw)
    verb = conjugate(draw, draw.word(lexicon.VERBS_OF_GIVING), tense, subject.plural)
    what, whom = things(draw, "acc"), _somebody_else(draw, subject, "dat")
    english = f"{what.en} to {whom.en}"
    return Clause(subject, verb, english, whom.de, what.de, time(draw, tense))


def _moving(draw: Draw) -> Clause:
    tense = _tense(draw)
    if draw.pick((True, False)):
        subject, verbs = _somebody(draw), lexicon.VERBS_OF_MOVING_PEOPLE
    else:
        vehicle, city = definite(draw, lexicon.VEHICLES, "nom"), Pair(*draw.word(lexicon.CITIES))
        way = draw.pick((Pair("from", "aus"), Pair("to", "nach")))
        subject = Subject(f"{vehicle.en} {way.en} {city.en}", f"{vehicle.de} {way.de} {city.de}")
        verbs = lexicon.VERBS_OF_MOVING_VEHICLES
    verb = conjugate(draw, draw.word(verbs), tense, subject.plural)
    return Clause(subject, verb, time=time(draw, tense))


def _cost(draw: Draw) -> Clause:
    if draw.pick((True, False)):
        container, what = definite(draw, lexicon.CONTAINERS, "nom"), things(draw, "dat")
        subject = Subject(f"{container.en} with {what.en}", f"{container.de} mit {what.de}")
    else:
        many = draw.number(range(2, 100))
        what = counted(draw, draw.word(lexicon.THINGS), "nom", many, lexicon.ADJECTIVES_OF_THINGS)
        subject = Subject(*what, plural=True)
    price = amount(draw)
    words = ("cost", "cost|s", "", "", "kostet", "", "", "kosten")
    return Clause(subject, conjugate(draw, words, "present", subject.plural), price.en, price.de)


def _inhabitants(draw: Draw) -> Clause:
    # A size first, since uniform numbers would nearly all have seven digits.
    size = draw.pick((1000, 10_000, 100_000, 1_000_000))
    number = cardinal(draw.number(range(2 * size, 10 * size, max(10, size // 1000))))
    words = ("have", "has", "", "", "hat", "", "", "haben")
    verb = conjugate(draw, words, "present", plural=False)
    subject = Subject(*draw.word(lexicon.CITIES))
    return Clause(subject, verb, f"{number.en} inhabitants", f"{number.de} Einwohner")


def _birth(draw: Draw) -> Clause:
    subject, city = _somebody(draw), Pair(*draw.word(lexicon.CITIES))
    verb = simple(subject.plural, ("was", "were"), ("wurde", "wurden"), "born", "geboren")
    when = date(draw, with_year=True)
    return Clause(subject, verb, f"in {city.en}", after=f"in {city.de}", time=when)


def _age(draw: Draw) -> Clause:
    subject = _somebody(draw)
    verb = simple(subject.plural, ("is", "are"), ("ist", "sind"))
    years = duration(draw, "nom", lexicon.UNITS[-1:], most=100)
    return Clause(subject, verb, f"{years.en} old", f"{years.de} alt")


def _staying(draw: Draw) -> Clause:
    subject, city = _somebody(draw), Pair(*draw.word(lexicon.CITIES))
    english, *german = draw.word(lexicon.VERBS_OF_STAYING)
    verb = simple(subject.plural, ("has", "have"), german, english)
    since = duration(draw, "dat", lexicon.UNITS[2:])
    return Clause(subject, verb, f"in {city.en} for {since.en}", f"seit {since.de} in {city.de}")


def _journey(draw: Draw) -> Clause:
    journey = definite(draw, lexicon.JOURNEYS, "nom")
    start = Pair(*draw.word(lexicon.CITIES))
    goal = Pair(*draw.word([city for city in lexicon.CITIES if city != start]))
    subject = Subject(
        f"{journey.en} from {start.en} to {goal.en}", f"{journey.de} von {start.de} nach {goal.de}"
    )
    words = ("take", "take|s", "took", "hat", "dauert", "", "gedauert", "dauern")
    verb = conjugate(draw, words, _tense(draw), plural=False)
    long, more = duration(draw, "acc", lexicon.UNITS[1:2]), duration(draw, "acc", lexicon.UNITS[:1])
    return Clause(subject, verb, f"{long.en} and {more.en}", f"{long.de} und {more.de}")


def _sum(draw: Draw) -> Clause:
    sign = draw.pick((1, -1))
    # The second number is the smaller one, so no result is below zero.
    numbers = draw.number(range(20, 1000)), draw.number(range(1, 20))
    left, right, result = (cardinal(n) for n in (*numbers, numbers[0] + sign * numbers[1]))
    word = "plus" if sign == 1 else "minus"
    subject = Subject(f"{left.en} {word} {right.en}", f"{left.de} {word} {right.de}")
    return Clause(subject, simple(False, ("is", "are"), ("ist", "sind")), result.en, result.de)


# A kind that stands twice is drawn twice as often: these have the most words to choose from.
_CLAUSES: tuple[Callable[[Draw], Clause], ...] = (
    _handling,
    _handling,
    _meeting,
    _giving,
    _giving,
    _moving,
    _cost,
    _cost,
    _inhabitants,
    _birth,
    _age,
    _staying,
    _journey,
    _sum,
)


# --- sentences --------------------------------------------------------------------------------


def sentence(draw: Draw) -> tuple[str, Pair]:
    """A sentence and its key: how it is said, the kind of its clause and its numbers.

    Sentences with different keys differ, in English and in German.
    """
    make = draw.pick(_CLAUSES)
    clause = make(draw)
    say = draw.pick(_WAYS if clause.time else _WAYS_WITHOUT_TIME)
    said = say(draw, clause)
    return f"{say.__name__} {make.__name__} {draw.numbers}", said


def _statement(draw: Draw, clause: Clause) -> Pair:
    subject, verb, en, before, after, when = clause
    english = join(subject.en, verb.en, en, when and when.en)
    german = join(subject.de, verb.de, before, when and when.de, after, verb.rest)
    return Pair(f"{english}|.", f"{german}|.")


def _time_first(draw: Draw, clause: Clause) -> Pair:
    subject, verb, en, before, after, when = clause
    english = join(f"{when.en}|,", subject.en, verb.en, en)
    german = join(when.de, verb.de, subject.de, before, after, verb.rest)
    return Pair(f"{english}|.", f"{german}|.")


def _question(draw: Draw, clause: Clause) -> Pair:
    subject, verb, en, before, after, when = clause
    english = join(verb.do, subject.en, verb.base, en, when and when.en)
    german = join(verb.de, subject.de, before, when and when.de, after, verb.rest)
    return Pair(f"{english}|?", f"{german}|?")


def _subordinate(draw: Draw, clause: Clause) -> Pair:
    subject, verb, en, before, after, when = clause
    name, thinks = Pair(*draw.word(lexicon.NAMES)), Pair(*draw.word(lexicon.INTRODUCTIONS))
    english = join(name.en, thinks.en, "that", subject.en, verb.en, en, when and when.en)
    german = join(subject.de, before, when and when.de, after, verb.last)
    return Pair(f"{english}|.", f"{name.de} {thinks.de}|, dass {german}|.")


_WAYS_WITHOUT_TIME = (_statement, _question, _subordinate)
_WAYS = (*_WAYS_WITHOUT_TIME, _time_first)
