"""Proof of the readers of configuration: whatever a file says, it is refused in words or sound."""

from __future__ import annotations

import math
import os
import pathlib
import random
import tempfile
from collections.abc import Callable, Mapping
from unittest import mock

from environments.loader import load_file
from environments.yaml_file import ConfigurationError
from gates.load import FEATURES, POLICY, load_catalogue, load_policy
from prove import Cases
from settings.policy import Policy
from tests.environments.files import SECRETS, VALID

PROMISE = "mistyped environments, policies and catalogues are refused with a sentence, or are sound"
NASTY = (
    "",
    "~",
    "null",
    "no",
    ".nan",
    "-.inf",
    "-1",
    "0",
    "1e400",
    "9" * 400,
    "0%",
    "100%",
    "-5m",
    "999999h",
    "[]",
    "{}",
    "[[[[[[]]]]]]",
    "{a: {b: {c: 1}}}",
    "*nowhere",
    "&one 1",
    "!!python/object/apply:os.getcwd []",
    "!!binary aGk=",
    "2026-02-30",
    "'",
    '"\\x00"',
    "\t",
    "\u202e\U0001f525",
    "EDIT-ME",
    "env:",
    "file:../../../etc/hostname",
    "http://[::1",
    "http://user:pass@host:99999/",
    "<<: *x",
)
CHARACTERS = "\n\t :-{}[]#&*!|>'\"%@`,?\x00\ufeff\u2028é0"


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
            yield _wrong(base, {"clinic.yaml": _damaged(VALID, chance)}, _environment)
            name = chance.choice(sorted(policy))
            yield _wrong(base, {**policy, name: _damaged(policy[name], chance)}, _policy)
            yield _wrong(base, {"catalogue.csv": _damaged(catalogue, chance)}, _catalogue)


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
    times = _times(policy)
    endless = [name for name, seconds in times.items() if not math.isfinite(seconds) or seconds < 0]
    return f"took {unsound} {endless}" if unsound or endless else None


def _times(policy: Policy) -> Mapping[str, float]:
    times = {"call": policy.deadlines.call, "run": policy.deadlines.run}
    for one in policy.objectives:
        times[one.check] = one.look_back
    return times


def _catalogue(folder: pathlib.Path) -> str | None:
    rows = load_catalogue(folder)
    ids = [row.id for row in rows]
    return "took an id twice" if len(ids) != len(set(ids)) else None


def _damaged(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 3)):
        text = chance.choice(DAMAGES)(text, chance)
    return text


def _put_a_nasty_value(text: str, chance: random.Random) -> str:
    lines = text.split("\n")
    place = chance.randrange(len(lines))
    key, colon, _ = lines[place].partition(": ")
    cells = lines[place].split(",")
    if colon:
        lines[place] = f"{key}: {chance.choice(NASTY)}"
    else:
        cells[chance.randrange(len(cells))] = chance.choice(NASTY)
        lines[place] = ",".join(cells)
    return "\n".join(lines)


def _put_a_character(text: str, chance: random.Random) -> str:
    place = chance.randint(0, len(text))
    return text[:place] + chance.choice(CHARACTERS) + text[place:]


def _lose_a_part(text: str, chance: random.Random) -> str:
    place = chance.randint(0, len(text))
    return text[:place] + text[place + chance.randint(1, 40) :]


def _double_a_line(text: str, chance: random.Random) -> str:
    lines = text.split("\n")
    lines.insert(chance.randrange(len(lines)), chance.choice(lines))
    return "\n".join(lines)


def _indent_a_line(text: str, chance: random.Random) -> str:
    lines = text.split("\n")
    place = chance.randrange(len(lines))
    lines[place] = chance.choice(["  ", " ", "\t", "- "]) + lines[place]
    return "\n".join(lines)


DAMAGES: tuple[Callable[[str, random.Random], str], ...] = (
    _put_a_nasty_value,
    _put_a_nasty_value,
    _put_a_character,
    _lose_a_part,
    _double_a_line,
    _indent_a_line,
)
