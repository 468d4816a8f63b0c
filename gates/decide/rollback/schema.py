"""What migrations do to a schema that the version before still has to run on, read from their SQL.

*expand* only adds what old code neither needs nor meets; *contract* takes away or forbids what it uses;
*data* changes rows that it reads. What is not known for certain is unknown, and decides nothing.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Iterable, Iterator, Mapping


class Kind(enum.StrEnum):
    """What a statement does, the worst last."""

    EXPAND = "expand"
    DATA = "data"
    UNKNOWN = "unknown"
    CONTRACT = "contract"


_OLD_CODE_RUNS = {Kind.EXPAND: True, Kind.CONTRACT: False}
_TOKEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|(?P<escaped>\bE)?'(?:[^']|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$"
    r'|(?P<name>"(?:[^"]|"")*")',
    re.DOTALL | re.IGNORECASE,
)
_NAME = r"(?:[\w]+\.)?(?P<table>[\w]+)"
_CREATED = re.compile(rf"CREATE (?:UNLOGGED )?TABLE (?!IF ){_NAME}")
_ALTERS = re.compile(rf"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?{_NAME} (?P<actions>.*)")
_TOUCHES = re.compile(
    rf"(?:INSERT INTO|UPDATE|DELETE FROM|CREATE UNIQUE INDEX (?:CONCURRENTLY )?\w* ?ON) {_NAME}\b.*"
)
_NO_DEFAULT = re.compile(r"(?!.*\b(?:DEFAULT|GENERATED)\b).*\bNOT NULL\b.*")
_STATEMENTS = (
    (Kind.CONTRACT, r"DROP (?:TABLE|TYPE|SCHEMA|VIEW|MATERIALIZED|FUNCTION|SEQUENCE|COLUMN) .*"),
    (Kind.CONTRACT, r"ALTER (?:TYPE|VIEW|SEQUENCE|SCHEMA) \S+ (?:RENAME|SET SCHEMA) .*"),
    (Kind.DATA, r"(?:INSERT|UPDATE|DELETE|TRUNCATE|MERGE|COPY) .*"),
    (Kind.EXPAND, r"CREATE (?:UNLOGGED )?TABLE (?!.*\bPARTITION OF\b).*"),
    (Kind.EXPAND, r"CREATE INDEX .*|CREATE (?:TYPE|SEQUENCE|EXTENSION|SCHEMA|VIEW) .*"),
    (Kind.EXPAND, r"(?:COMMENT ON|GRANT|ANALYZE|SET|RESET) ?.*|BEGIN|COMMIT|START TRANSACTION"),
)
_ACTIONS = (
    (Kind.CONTRACT, r"(?:DROP COLUMN|RENAME|SET SCHEMA)\b.*"),
    (Kind.CONTRACT, r"DROP (?!CONSTRAINT\b).*"),
    (
        Kind.CONTRACT,
        r"ALTER (?:COLUMN )?\S+ (?:(?:SET DATA )?TYPE\b|SET NOT NULL|DROP DEFAULT).*",
    ),
    (Kind.UNKNOWN, r"ADD (?:CONSTRAINT|UNIQUE|CHECK|PRIMARY KEY|FOREIGN KEY|EXCLUDE)\b.*"),
    (Kind.CONTRACT, rf"ADD {_NO_DEFAULT.pattern}"),
    (Kind.EXPAND, r"ADD .*"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Migrated:
    """What a release's migrations do together, and which of them decides that."""

    kind: Kind
    said: str

    @property
    def old_code_runs(self) -> bool | None:
        """Whether the version before runs on it; None where only a test can tell."""
        return _OLD_CODE_RUNS.get(self.kind)


def read(scripts: Mapping[str, str]) -> Migrated:
    """Return what the scripts do, given by the migrations' names: the worst of their statements."""
    worst, said = Kind.EXPAND, f"its {len(scripts)} new migrations only add"
    created: set[str] = set()
    order = list(Kind)
    for name, script in sorted(scripts.items()):
        for statement in _statements(script):
            kind = _kind(statement, created)
            if order.index(kind) > order.index(worst):
                worst, said = kind, f"migration {name} {_WORDS[kind]} ({_beginning(statement)})"
    return Migrated(worst, said)


_WORDS = {
    Kind.DATA: "changes rows",
    Kind.UNKNOWN: "does what SQL alone does not settle",
    Kind.CONTRACT: "takes away or forbids what the version before uses",
}


def _beginning(statement: str) -> str:
    # The first words are keywords and a name: never a value.
    return " ".join(statement.split()[:3])


def _statements(script: str) -> Iterator[str]:
    """Yield each statement in capitals, on one line, without comments and without what is quoted."""
    plain = _TOKEN.sub(_bare, script)
    for statement in plain.split(";"):
        if words := " ".join(statement.upper().split()):
            yield words


def _bare(token: re.Match[str]) -> str:
    text = token[0]
    if token["escaped"] or "/*" in text[2:]:
        return " 'CAN NOT BE READ' "
    if token["name"] is not None:
        return re.sub(r"\W", "_", text[1:-1]) or "_"
    return " " if text.startswith(("--", "/*")) else " '' "


def _kind(statement: str, created: set[str]) -> Kind:
    """Return what a statement does; `created` are the tables that the release itself made."""
    if "'CAN NOT BE READ'" in statement or "/*" in statement:
        return Kind.UNKNOWN
    if made := _CREATED.match(statement):
        created.add(made["table"])
    alters = _ALTERS.fullmatch(statement)
    touched = alters or _TOUCHES.fullmatch(statement)
    if touched is not None and touched["table"] in created:
        return Kind.EXPAND
    if alters is not None:
        return max(
            (_first(one, _ACTIONS) for one in _parts(alters["actions"])), key=list(Kind).index
        )
    return _first(statement, _STATEMENTS)


def _first(text: str, rules: Iterable[tuple[Kind, str]]) -> Kind:
    found = (kind for kind, pattern in rules if re.fullmatch(pattern, text))
    return next(found, Kind.UNKNOWN)


def _parts(actions: str) -> Iterator[str]:
    """Yield what stands between commas that no bracket holds."""
    depth, begun = 0, 0
    for at, letter in enumerate(actions):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and not depth:
            yield actions[begun:at].strip()
            begun = at + 1
    yield actions[begun:].strip()
