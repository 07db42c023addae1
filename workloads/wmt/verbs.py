"""Verbs of the transfer grammar: tenses, modal verbs, questions and word order."""

from collections.abc import Sequence
from typing import NamedTuple

from workloads.wmt import lexicon
from workloads.wmt.grammar import Draw, join


class Verb(NamedTuple):
    """Forms of a verb in one tense.

    Attributes:
      en: finite verb of a statement. `do`, `base`: its two parts in a question.
      de: finite verb. `rest`: prefix, participle or infinitive at the end, if any.
      last: what ends a subordinate clause: rest and finite verb.
    """

    en: str
    do: str
    base: str
    de: str
    rest: str
    last: str


def conjugate(draw: Draw, words: Sequence[str], tense: str, plural: bool) -> Verb:
    """A verb of the lexicon in the present, the past (German: perfect) or after a modal verb."""
    base, third, past, auxiliary, finite, prefix, participle, infinitive = words
    if tense == "present":
        do, en = ("do", base) if plural else ("does", third)
        finite = infinitive if plural else finite
        return Verb(en, do, base, finite, prefix, _glue(prefix, finite))
    if tense == "past":
        # Spoken German tells the past in the perfect; verbs of motion form it with `sein`.
        have = {"hat": ("hat", "haben"), "ist": ("ist", "sind")}[auxiliary][plural]
        rest = _glue(prefix, participle)
        return Verb(past, "did", base, have, rest, f"{rest} {have}")
    one, many, do_one, do_many, mark, *german = draw.word(lexicon.MODALS)
    modal, rest = german[plural], _glue(prefix, infinitive)
    return Verb(
        join(many if plural else one, base),
        do_many if plural else do_one,
        join(mark, base),
        modal,
        rest,
        f"{rest} {modal}",
    )


# A separable prefix is written as one word with a form that stands at the end: `an|kommen`.
def _glue(prefix: str, form: str) -> str:
    return f"{prefix}|{form}" if prefix else form


def simple(
    plural: bool, en: Sequence[str], de: Sequence[str], base: str = "", rest: str = ""
) -> Verb:
    """A verb given as the (one, many) forms of its finite part."""
    return Verb(join(en[plural], base), en[plural], base, de[plural], rest, join(rest, de[plural]))
