"""Phrases of the transfer grammar: people, things, amounts and times in English and German.

Each function draws one phrase in both languages. German phrases agree in gender, number and case.
Cases are "nom", "acc" and "dat"; sub-words are divided by `|`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from workloads.wmt import lexicon
from workloads.wmt.numerals import Pair, cardinal, clock, ordinal, year

# Endings by case and gender: of `ein`, `mein`, ...; of an adjective after those; after `der`, ...
_EIN = {"nom": {"m": "", "f": "e", "n": ""}, "acc": {"m": "en", "f": "e", "n": ""}}
_EIN["dat"] = {"m": "em", "f": "er", "n": "em"}
_MIXED = {"nom": {"m": "er", "f": "e", "n": "es"}, "acc": {"m": "en", "f": "e", "n": "es"}}
_WEAK = {"nom": {"m": "e", "f": "e", "n": "e"}, "acc": {"m": "en", "f": "e", "n": "e"}}
_MIXED["dat"] = _WEAK["dat"] = {"m": "en", "f": "en", "n": "en"}
_STRONG_PLURAL = {"nom": "e", "acc": "e", "dat": "en"}
_DER = {"nom": {"m": "der", "f": "die", "n": "das"}, "acc": {"m": "den", "f": "die", "n": "das"}}
_DER["dat"] = {"m": "dem", "f": "der", "n": "dem"}

# Of things counted. None ends in `and one`, which German says in several ways before a noun.
_COUNTS = (range(1, 13), range(1, 13), range(2, 100), [n for n in range(102, 1000) if n % 100 != 1])
_PRICES = (*_COUNTS, range(1000, 100_000, 10))


class Draw:
    """The choices of a sentence, taken from given uniform numbers.

    Attributes:
      numbers: all numbers, hours, days and years chosen so far.
    """

    def __init__(self, uniforms: Iterable[float]):
        self._uniform = iter(uniforms).__next__
        self.numbers: list[int] = []

    def pick(self, options: Sequence[Any]) -> Any:
        return options[int(self._uniform() * len(options))]

    def word(self, words: Sequence[Any]) -> Any:
        """One of `words`, early ones more often: the first k of n with probability sqrt(k / n)."""
        return words[int(self._uniform() ** 2 * len(words))]

    def number(self, options: Sequence[int]) -> int:
        self.numbers.append(self.pick(options))
        return self.numbers[-1]


# --- noun phrases -----------------------------------------------------------------------------


def person(draw: Draw, case: str) -> Pair:
    """`my old uncle`, `the young nurse` or a name."""
    kind = draw.pick(("name", "owned", "owned", "definite"))
    if kind == "name":
        return Pair(*draw.word(lexicon.NAMES))
    english, gender, german = draw.word(lexicon.PEOPLE)
    adjective = draw.word(lexicon.ADJECTIVES_OF_PEOPLE) if draw.pick((True, False)) else None
    if kind == "definite":
        return _noun("the", _DER[case][gender], adjective, _WEAK[case][gender], (english, german))
    owner = Pair(*draw.word(lexicon.OWNERS))
    determiner = _bend(owner.de, _EIN[case][gender])
    return _noun(owner.en, determiner, adjective, _MIXED[case][gender], (english, german))


def definite(draw: Draw, words: Sequence[Sequence[str]], case: str) -> Pair:
    """`the train`."""
    english, gender, german = draw.word(words)
    return Pair(f"the {english}", f"{_DER[case][gender]} {german}")


def counted(
    draw: Draw, noun: Sequence[str], case: str, n: int, adjectives: Sequence[Any] = ()
) -> Pair:
    """`n` of something: `three red apples`, `drei rote Äpfel`."""
    adjective = draw.word(adjectives) if adjectives and draw.pick((True, False)) else None
    singular, plural, gender, de_singular, de_plural, de_dative = noun
    if n == 1:
        determiner = _bend("ein", _EIN[case][gender])
        return _noun("one", determiner, adjective, _MIXED[case][gender], (singular, de_singular))
    nouns = (plural, de_dative if case == "dat" else de_plural)
    return _noun(*cardinal(n), adjective, _STRONG_PLURAL[case], nouns)


def things(draw: Draw, case: str) -> Pair:
    n = draw.number(draw.pick(_COUNTS))
    return counted(draw, draw.word(lexicon.THINGS), case, n, lexicon.ADJECTIVES_OF_THINGS)


def duration(draw: Draw, case: str, units: Sequence[Any], most: int = 60) -> Pair:
    n = draw.number(draw.pick((range(1, 13), range(2, most))))
    return counted(draw, draw.word(units), case, n)


def amount(draw: Draw) -> Pair:
    """A sum of money in the accusative; euros and dollars may have cents."""
    currency = draw.word(lexicon.CURRENCIES)
    main = counted(draw, currency, "acc", draw.number(draw.pick(_PRICES)))
    if currency[0] not in ("euro", "dollar") or draw.pick((True, False)):
        return main
    cents = counted(draw, lexicon.CENT[0], "acc", draw.number(range(2, 100)))
    return Pair(f"{main.en} and {cents.en}", f"{main.de} und {cents.de}")


def _noun(
    en_determiner: str,
    de_determiner: str,
    adjective: Sequence[str] | None,
    ending: str,
    nouns: Sequence[str],
) -> Pair:
    english, german = adjective or ("", "")
    return Pair(
        join(en_determiner, english, nouns[0]),
        join(de_determiner, german and f"{german}|{ending}", nouns[1]),
    )


def _bend(stem: str, ending: str) -> str:
    return f"{stem}|{ending}" if ending else stem


def join(*parts: str) -> str:
    return " ".join(part for part in parts if part)


# --- times ------------------------------------------------------------------------------------


def date(draw: Draw, with_year: bool) -> Pair:
    """`on the third of May nineteen eighty-four`, `am dritten Mai neunzehnhundert...`."""
    month = draw.number(range(12))
    day = draw.number(range(1, (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month] + 1))
    english, german = lexicon.MONTHS[month]
    found = Pair(f"on the {ordinal(day).en} of {english}", f"am {ordinal(day).de} {german}")
    if not with_year:
        return found
    said = year(draw.number(draw.pick((range(1900, 2000), range(1700, 1900), range(2000, 2030)))))
    return Pair(f"{found.en} {said.en}", f"{found.de} {said.de}")


def weekday(draw: Draw) -> Pair:
    """`on Monday evening at half past seven`, `am Montagabend um halb acht`."""
    english, german = draw.word(lexicon.WEEKDAYS)
    en_part, de_part, first, last = draw.pick(lexicon.PARTS_OF_DAY)
    day = Pair(join("on", english, en_part), join("am", _bend(german, de_part)))
    return _at(draw, day, range(int(first), int(last) + 1))


def _at(draw: Draw, day: Pair, hours: Sequence[int] = range(1, 13)) -> Pair:
    at = clock(draw.number(hours), draw.number(range(0, 60, 5)))
    return Pair(f"{day.en} {at.en}", f"{day.de} {at.de}")


def time(draw: Draw, tense: str) -> Pair:
    """When something happens; past and future have their own ways to say it."""
    kind = draw.pick(("weekday", "date", "distance", "day"))
    if kind == "weekday" or (tense == "present" and kind != "date"):
        return weekday(draw)
    if kind == "date":
        return date(draw, with_year=tense == "past" and draw.pick((True, False)))
    if kind == "day":
        past = Pair("yesterday", "gestern")
        return _at(draw, past if tense == "past" else Pair("tomorrow", "morgen"))
    away = duration(draw, "dat", lexicon.UNITS)
    if tense == "past":
        return Pair(f"{away.en} ago", f"vor {away.de}")
    return Pair(f"in {away.en}", f"in {away.de}")
