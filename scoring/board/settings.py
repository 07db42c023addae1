"""The settings of a board, `board.toml`: what it takes, and what its keepers say about entries."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scoring import benchmark as benchmarks
from scoring.benchmark import nearest
from scoring.board.levels import LEVELS

FILE = "board.toml"
# These become parts of file names and of links.
_NAME = re.compile(r"[a-z0-9]+(?:[_-][a-z0-9]+)*")
_LINK = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]+)?(?:/[A-Za-z0-9._~-]+)*/")
_PARTS = ("title", "began", "benchmarks", "rulesets", "link", "rules", "hardware", "entries")


@dataclass(frozen=True)
class Hardware:
    """A class of machines whose seconds the keepers of the board compare.

    Attributes:
      id: part of file names.
      name: for people.
      keys: of fingerprints that belong to it, whatever their facts.
      facts: {name in a fingerprint: value} that all have to be there; {} for none.
    """

    id: str
    name: str
    keys: tuple[str, ...]
    facts: Mapping[str, object]

    def holds(self, key: str, facts: Mapping[str, object]) -> bool:
        """Whether a machine is of this class."""
        fits = all(name in facts and facts[name] == value for name, value in self.facts.items())
        return key in self.keys or bool(self.facts and fits)


@dataclass(frozen=True)
class Remark:
    """What the keepers say of an entry: its level, and its date where the pack's is not right."""

    level: str = "L0"
    date: datetime.date | None = None


@dataclass(frozen=True)
class Settings:
    """What `board.toml` says.

    Attributes:
      began: the date of a feed without entries.
      link: address of the site, ending in "/"; "" where nobody has said.
      num_studies: that an entry has at least.
      rules: sentences for people.
      hardware: the first that holds a machine is its class.
      remarks: by the name of an entry.
    """

    title: str
    began: datetime.date
    benchmarks: tuple[str, ...]
    rulesets: tuple[str, ...]
    link: str
    num_studies: int
    rules: tuple[str, ...]
    hardware: tuple[Hardware, ...]
    remarks: Mapping[str, Remark]


def load(folder: Path) -> Settings:
    """The settings of the board in a folder. Raises ValueError, one sentence, where they are not
    to be used."""
    path = folder / FILE
    if not path.is_file():
        raise ValueError(
            f"{str(folder)!r} has no {FILE}, so it is no board; `board init` makes one"
        )
    try:
        return _parse(tomllib.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:  # TOML's own errors are of the first kind
        raise ValueError(f"{str(path)!r} cannot be used: {error}") from None


def _parse(content: Mapping[str, Any]) -> Settings:
    for name in content:
        nearest(name, _PARTS, "setting")
    rules = _table(content, "rules", ("num_studies", "text"))
    hardware = _table(content, "hardware")
    remarks = _table(content, "entries")
    found = Settings(
        title=_of(content, "title", str, "A board of training algorithms"),
        began=_date(content.get("began"), "began"),
        benchmarks=_texts(content, "benchmarks"),
        rulesets=_texts(content, "rulesets"),
        link=_of(content, "link", str, ""),
        num_studies=_of(rules, "num_studies", int, 1),
        rules=_texts(rules, "text"),
        hardware=tuple(_hardware(name, table) for name, table in hardware.items()),
        remarks={name: _remark(name, table) for name, table in remarks.items()},
    )
    for name in found.benchmarks:
        benchmarks.load(nearest(name, benchmarks.names(), "benchmark"))
    for name in found.rulesets:
        nearest(name, ("external", "self"), "ruleset")
    if not found.benchmarks or not found.rulesets:
        raise ValueError("it names no benchmark or no ruleset; give a list of each")
    if found.link and not _LINK.fullmatch(found.link):
        raise ValueError(f"link {found.link!r} is no plain address that ends in /")
    return found


def _hardware(name: str, table: object) -> Hardware:
    if not _NAME.fullmatch(name):
        raise ValueError(f"hardware {name!r} is no name of small letters, digits, _ and -")
    if not isinstance(table, dict):
        raise ValueError(f"hardware {name!r} is no table")
    for key in table:
        nearest(key, ("name", "keys", "facts"), f"setting of hardware {name!r}")
    facts = _of(table, "facts", dict, {})
    return Hardware(name, _of(table, "name", str, name), _texts(table, "keys"), facts)


def _remark(name: str, table: object) -> Remark:
    if not isinstance(table, dict):
        raise ValueError(f"entry {name!r} is no table")
    for key in table:
        nearest(key, ("level", "date"), f"setting of entry {name!r}")
    level = nearest(_of(table, "level", str, "L0"), LEVELS, f"level of entry {name!r}")
    date = table.get("date")
    return Remark(level, None if date is None else _date(date, f"date of entry {name!r}"))


def _table(content: Mapping[str, Any], name: str, known: tuple[str, ...] = ()) -> dict[str, Any]:
    table = _of(content, name, dict, {})
    for key in table if known else ():
        nearest(key, known, f"setting of [{name}]")
    return table


def _of(content: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    value = content.get(name, default)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r:.60}, expected a {kind.__name__}")
    return value


def _texts(content: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = content.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{name} is {values!r:.60}, expected a list of texts")
    return tuple(values)


def _date(value: object, what: str) -> datetime.date:
    # A datetime is a date too, and has more to it than is wanted.
    if type(value) is not datetime.date:
        raise ValueError(f"{what} is {value!r:.60}, expected a date such as 2026-01-31")
    return value
