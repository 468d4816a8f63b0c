"""Proofs of what reads and decides: damaged files and lines, and any results against a second opinion."""

from __future__ import annotations

import itertools
import math
import os
import pathlib
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from unittest import mock

import hypothesis
from hypothesis.strategies import SearchStrategy, tuples

from environments.loader import load_file
from environments.yaml_file import ConfigurationError
from gates.decide.fold import Stage, fold
from gates.decide.outcome import Decision, Outcome
from gates.load import FEATURES, POLICY, load_catalogue, load_policy
from gates.run.lines import read
from prove import Cases
from tests.environments.files import SECRETS, VALID
from tests.gates.decide import test_fold_properties as opinions
from tests.gates.decide.values import a_row
from tests.gates.run.recorded import finished, started, text
from tests.reports import test_agree

FOLD = "any results, in any order, fold to what a second, independent opinion says"
LINES = "lines that are cut, lost, doubled or littered never make a decision GO that was not"
FILES = "mistyped environments, policies and catalogues are refused with a sentence, or are sound"
ARTEFACTS = "exit code, verdict, terminal, JUnit, Markdown, Allure and page say the same"
EXAMPLES_AT_ONCE = 100
CHECKS, REGIONS = opinions.CHECKS, opinions.REGIONS


def fold_agrees(seed: int) -> Cases:
    """Yield results in any order, against a second opinion."""
    return _examples(seed, opinions.CASES, opinions.agrees_with_the_second_opinion)


def artefacts_agree(seed: int) -> Cases:
    """Yield verdicts, all their artefacts read back."""
    return _examples(seed, [test_agree.folds()], test_agree.says_the_same)


def _examples(seed: int, of: Sequence[SearchStrategy[Any]], judge: Callable[..., None]) -> Cases:
    """Yield examples in batches: each has a seed of its own and is shrunk where it fails."""
    for batch in itertools.count():
        tried = 0

        @hypothesis.seed(seed + batch)
        @hypothesis.settings(
            max_examples=EXAMPLES_AT_ONCE,
            database=None,
            deadline=None,
            suppress_health_check=[hypothesis.HealthCheck.too_slow],
        )
        @hypothesis.given(tuples(*of))
        def every(drawn: tuple[Any, ...]) -> None:
            nonlocal tried
            tried += 1
            judge(*drawn)

        try:
            every()
        except AssertionError as exc:
            yield str(exc)
        yield from itertools.repeat(None, tried)


def damage_is_never_go(seed: int) -> Cases:
    """Yield files of events, damaged once or more."""
    chance = random.Random(seed)  # noqa: S311 - cases, no secrets
    with tempfile.TemporaryDirectory(prefix="prove-") as folder:
        path = pathlib.Path(folder) / "events.jsonl"
        while True:
            whole = _recorded(chance)
            # As many characters as bytes: each damage can break one of several bytes.
            damaged = _damaged(whole.decode("latin-1"), chance, OF_LINES).encode("latin-1")
            before, after = _decision(path, whole), _decision(path, damaged)
            worse = after is Decision.GO and before is not Decision.GO
            yield f"{before.value} became GO: {whole!r} {damaged!r}" if worse else None


def _recorded(chance: random.Random) -> bytes:
    """Return the events of a run that is mostly green."""
    outcomes = [*([Outcome.PASS] * 8), *Outcome]
    return text(
        *itertools.chain.from_iterable(
            (started(check), finished(check, *chance.choices(outcomes, k=chance.randint(1, 2))))
            for check in CHECKS
        )
    )


def _decision(path: pathlib.Path, data: bytes) -> Decision:
    path.write_bytes(data)
    lines = read(path)
    rows = [a_row(check) for check in CHECKS]
    return fold(rows, REGIONS, lines.results, Stage.LIVE, lines.problems).decision


def refused_or_sound(seed: int) -> Cases:
    """Yield one damaged file at a time, of each kind in turn."""
    chance = random.Random(seed)  # noqa: S311 - cases, no secrets
    policy = {path.name: path.read_text(encoding="utf-8") for path in POLICY.glob("*.yaml")}
    catalogue = (FEATURES / "catalogue.csv").read_text(encoding="utf-8")
    with (
        tempfile.TemporaryDirectory(prefix="prove-") as folder,
        mock.patch.dict(os.environ, SECRETS),
    ):
        base = pathlib.Path(folder)
        (base / "catalogue.d").mkdir()
        while True:
            yield _wrong(base, {"clinic.yaml": _damaged(VALID, chance, OF_FILES)}, _environment)
            name = chance.choice(sorted(policy))
            yield _wrong(base, {**policy, name: _damaged(policy[name], chance, OF_FILES)}, _policy)
            yield _wrong(base, {"catalogue.csv": _damaged(catalogue, chance, OF_FILES)}, _catalogue)


def _wrong(
    folder: pathlib.Path, files: Mapping[str, str], load: Callable[[pathlib.Path], str | None]
) -> str | None:
    """Write files, load them and take them away; return what is wrong with how that went."""
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8", errors="surrogatepass")
    try:
        wrong = load(folder)
    except ConfigurationError as exc:
        told = all(sentence.strip() for sentence in exc.sentences) and exc.sentences
        wrong = None if told else "refused without a word"
    except Exception as exc:  # noqa: BLE001 - any other exception is what this proof looks for
        wrong = f"{type(exc).__name__} instead of a refusal"
    finally:
        for name in files:
            (folder / name).unlink()
    return wrong and f"{wrong}: {files!r}"


def _environment(folder: pathlib.Path) -> str | None:
    settings = load_file(folder / "clinic.yaml").settings
    shown = repr(settings)
    leaked = [name for name, value in SECRETS.items() if value in shown]
    return f"shows {leaked}" if leaked else None


def _policy(folder: pathlib.Path) -> str | None:
    policy = load_policy(folder)
    unsound = [one.check for one in policy.objectives if not 0 < one.target.budget < 1]
    times = {"call": policy.deadlines.call, "run": policy.deadlines.run}
    times |= {one.check: one.look_back for one in policy.objectives}
    endless = [name for name, seconds in times.items() if not math.isfinite(seconds) or seconds < 0]
    return f"took {unsound} {endless}" if unsound or endless else None


def _catalogue(folder: pathlib.Path) -> str | None:
    rows = load_catalogue(folder)
    ids = [row.id for row in rows]
    return "took an id twice" if len(ids) != len(set(ids)) else None


NASTY = (
    "", "~", "null", "no", ".nan", "-.inf", "-1", "0", "1e400", "9" * 400, "0%", "100%", "-5m",
    "999999h", "[]", "{}", "[[[[[[]]]]]]", "{a: {b: {c: 1}}}", "*nowhere", "&one 1",
    "!!python/object/apply:os.getcwd []", "!!binary aGk=", "2026-02-30", "'", '"\\x00"', "\t",
    "\u202e\U0001f525", "EDIT-ME", "env:", "file:../../../etc/hostname", "http://[::1",
    "http://user:pass@host:99999/", "<<: *x",
)  # fmt: skip
CHARACTERS = "\n\t :-{}[]#&*!|>'\"%@`,?\x00\ufeff\u2028é0"
Damage = Callable[[str, random.Random], str]


def _damaged(text: str, chance: random.Random, damages: tuple[Damage, ...]) -> str:
    for _ in range(chance.randint(1, 3)):
        text = chance.choice(damages)(text, chance)
    return text


def _on_lines(change: Callable[[list[str], int, random.Random], list[str]]) -> Damage:
    """Return what changes the lines of a text around one of them."""

    def damage(text: str, chance: random.Random) -> str:
        lines = text.splitlines(keepends=True) or ["\n"]
        return "".join(change(lines, chance.randrange(len(lines)), chance))

    return damage


def _nasty(lines: list[str], place: int, chance: random.Random) -> list[str]:
    """Put a nasty value behind a key, or into a cell of a table."""
    line = lines[place].removesuffix("\n")
    key, colon, _ = line.partition(": ")
    cells = line.split(",")
    cells[chance.randrange(len(cells))] = chance.choice(NASTY)
    line = f"{key}: {chance.choice(NASTY)}" if colon else ",".join(cells)
    return [*lines[:place], f"{line}\n", *lines[place + 1 :]]


def _indented(lines: list[str], place: int, chance: random.Random) -> list[str]:
    indent = chance.choice(["  ", " ", "\t", "- "])
    return [*lines[:place], indent + lines[place], *lines[place + 1 :]]


def _replaced(text: str, chance: random.Random, most: int, by: str) -> str:
    """Put something in the place of so many characters at most."""
    place = chance.randint(0, len(text))
    return text[:place] + by + text[place + chance.randint(1, most) if most else place :]


_put_a_nasty_value, _indent_a_line = _on_lines(_nasty), _on_lines(_indented)
_double_a_line = _on_lines(
    lambda lines, place, chance: [*lines[:place], chance.choice(lines), *lines[place:]]
)
OF_FILES: tuple[Damage, ...] = (
    _put_a_nasty_value,
    _put_a_nasty_value,
    lambda text, chance: _replaced(text, chance, 0, chance.choice(CHARACTERS)),
    lambda text, chance: _replaced(text, chance, 40, ""),
    _double_a_line,
    _indent_a_line,
)
OF_LINES: tuple[Damage, ...] = (
    lambda text, chance: text[: chance.randint(0, len(text))],
    _on_lines(lambda lines, place, _: lines[:place] + lines[place + 1 :]),
    _double_a_line,
    _on_lines(lambda lines, _, chance: chance.sample(lines, len(lines))),
    lambda text, chance: _replaced(text, chance, 0, _bytes(chance, chance.randint(1, 20))),
    lambda text, chance: _replaced(text, chance, 1, _bytes(chance, 1)),
)


def _bytes(chance: random.Random, count: int) -> str:
    return chance.randbytes(count).decode("latin-1")
