"""Numbers, ordinals, years and times of day in English and German words.

`|` separates the sub-words of a word: 23 is `twenty|-three` and `drei|und|zwanzig`.
"""

import functools
from typing import NamedTuple


class Pair(NamedTuple):
    """A phrase and its translation."""

    en: str
    de: str


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_EN_ONES = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_EN_TENS = _words("- ten twenty thirty forty fifty sixty seventy eighty ninety")
_EN_ORDINALS = _words("- first second third fourth fifth sixth seventh eighth ninth")
_EN_OTHER_ORDINALS = {10: "tenth", 12: "twelfth", 20: "twentieth", 30: "thirtieth"}
_DE_ONES = _words(
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn "
    "fünfzehn sechzehn siebzehn achtzehn neunzehn"
)
_DE_TENS = _words("- zehn zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig")
_DE_OTHER_ORDINALS = {1: "ersten", 3: "dritten", 7: "siebten", 8: "achten"}


@functools.cache
def cardinal(n: int) -> Pair:
    """`n` in words, 1 <= n < 10 million, as one counts: the last one in German is `eins`."""
    return Pair(_english(n), _german(n))


@functools.cache
def ordinal(n: int) -> Pair:
    """The `n`th, 1 <= n <= 31, in German in the dative: `on the third`, `am dritten`."""
    # Days of a month are the only ordinals of the grammar, so nothing above 31 is needed.
    tens, ones = divmod(n, 10)
    if n in _EN_OTHER_ORDINALS:
        english = _EN_OTHER_ORDINALS[n]
    elif n < 20:
        english = _EN_ORDINALS[n] if n < 10 else f"{_EN_ONES[n]}|th"
    else:
        english = f"{_EN_TENS[tens]}|-{_EN_ORDINALS[ones]}"
    german = _DE_OTHER_ORDINALS.get(n) or f"{_german(n)}|{'ten' if n < 20 else 'sten'}"
    return Pair(english, german)


@functools.cache
def year(n: int) -> Pair:
    """A year from 1100 to 1999 or from 2000 to 2099, as one says it."""
    # Both languages count the hundreds up to 1999 and the thousands from 2000 on.
    if n >= 2000:
        return cardinal(n)
    century, rest = divmod(n, 100)
    english, german = _EN_ONES[century], f"{_DE_ONES[century]}|hundert"
    if rest == 0:
        return Pair(f"{english} hundred", german)
    return Pair(
        f"{english} {'oh ' if rest < 10 else ''}{_english(rest)}", f"{german}|{_german(rest)}"
    )


@functools.cache
def clock(hour: int, minute: int) -> Pair:
    """`at half past four`, `um halb fünf`: hours 1 to 12, minutes in steps of five."""
    following = hour % 12 + 1
    if minute == 0:
        return Pair(f"at {_english(hour)} o'clock", f"um {_german(hour, last='ein')} Uhr")
    past, to = minute, 60 - minute
    english = (
        f"{_en_minutes(past)} past {_english(hour)}"
        if past <= 30
        else f"{_en_minutes(to)} to {_english(following)}"
    )
    # German names the half hour by the hour that follows: half past four is `halb fünf`.
    if minute in (25, 30, 35):
        german = {25: "fünf vor halb", 30: "halb", 35: "fünf nach halb"}[minute]
        return Pair(f"at {english}", f"um {german} {_german(following)}")
    german = (
        f"{_de_minutes(past)} nach {_german(hour)}"
        if past < 30
        else f"{_de_minutes(to)} vor {_german(following)}"
    )
    return Pair(f"at {english}", f"um {german}")


def _en_minutes(n: int) -> str:
    return {15: "quarter", 30: "half"}.get(n) or _english(n)


def _de_minutes(n: int) -> str:
    return "Viertel" if n == 15 else _german(n)


def _english(n: int) -> str:
    if n < 20:
        return _EN_ONES[n]
    if n < 100:
        tens, ones = divmod(n, 10)
        return _EN_TENS[tens] + (f"|-{_EN_ONES[ones]}" if ones else "")
    sizes = ((1_000_000, "million"), (1000, "thousand"), (100, "hundred"))
    size, name = next(size for size in sizes if n >= size[0])
    many, rest = divmod(n, size)
    words = f"{_english(many)} {name}"
    if rest == 0:
        return words
    return f"{words} {'and ' if rest < 100 else ''}{_english(rest)}"


def _german(n: int, last: str = "eins") -> str:
    """`last` is how a one at the end sounds: `eins`, but `ein` before what it counts."""
    if n < 20:
        return last if n == 1 else _DE_ONES[n]
    if n < 100:
        tens, ones = divmod(n, 10)
        # The ones stand before the tens, so a translator of numbers has to reorder.
        before = f"{_german(ones, 'ein')}|und|" if ones else ""
        return before + _DE_TENS[tens]
    if n >= 1_000_000:
        many, rest = divmod(n, 1_000_000)
        words = "eine Million" if many == 1 else f"{_german(many)} Million|en"
        return f"{words} {_german(rest, last)}" if rest else words
    size, name = (1000, "tausend") if n >= 1000 else (100, "hundert")
    many, rest = divmod(n, size)
    word = f"{_german(many, 'ein')}|{name}"
    return f"{word}|{_german(rest, last)}" if rest else word
