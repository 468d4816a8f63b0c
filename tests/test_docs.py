"""The documents say what is so: commands run, links lead somewhere, words and codes are the code's own."""

from __future__ import annotations

import ast
import os
import pathlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest

from gates.cli import main as gate
from gates.decide import outcome
from gates.decide.outcome import Decision, Meaning, Outcome
from gates.load import load_catalogue
from sandbox import cli as sandbox
from tests.checkout import ROOT, copy_to, tracked_files

README, ARCHITECTURE, CONTRIBUTING = (
    ROOT / f"{name}.md" for name in ("README", "ARCHITECTURE", "CONTRIBUTING")
)
GLOSSARY = ROOT / "docs" / "glossary.md"
GOLDEN = ROOT / "tests" / "reports" / "golden"
RUNBOOK = ROOT / "docs" / "runbook-items.csv"
PAGES = sorted(p for p in tracked_files() if p.suffix == ".md" and p.parent != GOLDEN)
ADRS = sorted((ROOT / "docs" / "adr").glob("*.md"))
RUNS = "<!-- tests/test_docs.py runs this block as written -->"

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HARNESS = re.compile(r"\./harness (?:[^`|#\n]|\\\|)+")
_ADR = re.compile(r"\b(?:ADR |adr/)(\d{4})")
_EXAMPLE = re.compile(r"<!-- example: (.*?) -->\n```\w+\n(.*?)```", re.DOTALL)


def _name(page: object) -> str:
    return str(page.relative_to(ROOT)) if isinstance(page, pathlib.Path) else str(page)


def _prose(page: pathlib.Path) -> str:
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def _runnable() -> Iterator[str]:
    for page in (README, CONTRIBUTING):
        for part in page.read_text(encoding="utf-8").split(RUNS)[1:]:
            block = _BLOCK.search(part)
            assert block is not None
            yield from block[2].strip().splitlines()


def _named_commands() -> list[str]:
    found = {match.strip() for match in _HARNESS.findall(README.read_text(encoding="utf-8"))}
    return sorted(found)


def _help_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    tool, words = arguments[0], [word for word in arguments[1:] if re.fullmatch("[a-z-]+", word)]
    if tool == "gate":
        code = gate.main([*words[:1], "--help"], sys.stdout, sys.stderr)
        assert code == 0, f"gate {words[:1]} is not a command"
    elif tool == "sandbox":
        with pytest.raises(SystemExit) as ended:
            sandbox.main([*words[: 2 if words[:1] == ["fault"] else 1], "--help"])
        assert ended.value.code == 0, f"sandbox {words} is not a command"
    return capsys.readouterr().out


@pytest.mark.parametrize("command", dict.fromkeys(_runnable()))
def test_a_documented_cheap_command_runs_as_written(command: str, tmp_path: pathlib.Path) -> None:
    done = subprocess.run(
        ["bash", "-euc", command],  # noqa: S607 - as a reader's terminal would find it
        cwd=ROOT,
        env={**os.environ, "SANDBOX_STATE": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", _named_commands())
def test_a_command_named_in_the_readme_exists_with_its_options(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = shlex.split(command)[1:]
    if arguments == ["--help"]:
        return
    usage = (ROOT / "harness").read_text(encoding="utf-8").partition("<<'TEXT'")[2]
    assert re.search(rf"^  {arguments[0]} ", usage, re.MULTILINE), f"no command {arguments[0]}"
    if arguments[0] not in {"gate", "sandbox"}:
        return
    shown = _help_of(arguments, capsys)
    missing = [word for word in arguments if word.startswith("--") and word not in shown]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_of_a_page_leads_somewhere(page: pathlib.Path) -> None:
    broken = []
    for link in _LINK.findall(_prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert not broken


def _anchors(page: pathlib.Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _prose(page), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings
    }


_OLD_WORDS = re.compile(
    r"(?<![Tt]here )\b(?:is|was) no (?!longer|more|less)[A-Za-z]|\bmend|\btold\b|\blooked at\b|\bin words\b"
)
"""The house's dialect; docs/glossary.md says what to write instead."""


def test_no_sentence_has_a_word_that_the_glossary_replaces() -> None:
    found = []
    for file in tracked_files():
        if file.suffix in {".py", ".feature"} and "tests" not in file.parts:
            text = file.read_text(encoding="utf-8")
            said = [text] if file.suffix == ".feature" else _sentences(ast.parse(text))
            found += [f"{_name(file)}: {one}" for one in said if _OLD_WORDS.search(one)]
    assert found == []


def _sentences(tree: ast.Module) -> list[str]:
    """Return the texts of a module that are not docstrings."""
    statements = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    docstrings = set(map(id, statements))
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docstrings
    ]


def test_adrs_are_numbered_without_a_gap_and_each_that_is_named_is_there() -> None:
    numbers = [f"{number:04}" for number in range(1, len(ADRS) + 1)]
    assert [page.name[:4] for page in ADRS] == numbers
    texts = {".py", ".md", ".yaml", ".sql", ".feature", ".csv"}
    strangers = {
        f"{_name(path)}: {named}"
        for path in tracked_files()
        if path.suffix in texts
        for named in _ADR.findall(path.read_text(encoding="utf-8"))
        if named not in numbers
    }
    assert not strangers


@pytest.mark.parametrize("page", ADRS, ids=_name)
def test_an_adr_has_its_number_and_all_its_parts(page: pathlib.Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.match(rf"# {page.name[:4]}\. \S", text)
    assert re.search(r"^Status: \w+.*, \d{4}-\d\d-\d\d$", text, re.MULTILINE)
    parts = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert parts == ["Context", "Decision", "Consequences", "Rejected"]


def test_the_glossary_has_every_word_of_a_result_and_the_readme_their_exit_codes() -> None:
    words = set(re.findall(r"\w+", GLOSSARY.read_text(encoding="utf-8")))
    assert {str(one) for one in (*Outcome, *Decision, *Meaning)} <= words
    codes = {
        **{one.value: one.exit_code for one in Decision},
        "usage": outcome.EXIT_USAGE,
        "configuration": outcome.EXIT_CONFIGURATION,
        "our own failure": outcome.EXIT_OUR_FAILURE,
    }
    rows = README.read_text(encoding="utf-8").splitlines()
    told = {
        word
        for word, code in codes.items()
        if any(row.startswith(f"| {code} |") and word in row for row in rows)
    }
    assert told == set(codes)


def test_the_checks_are_found_by_pytest_in_the_whole_checkout() -> None:
    """With the tests beside, whose own conftest pytest loads too where an option has a value."""
    marks = ("-m", "smoke and IV-HEALTH-5", "--env", "local")
    done = _run(ROOT, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *marks)
    assert done.returncode == 0, done.stdout
    assert "test_iv_health_5" in done.stdout
    assert "tests/" not in done.stdout


def test_the_example_of_architecture_followed_literally_makes_a_check(
    tmp_path: pathlib.Path,
) -> None:
    """Two files and no Python; a row without a scenario is refused with the sentence shown."""
    copy_to(tmp_path)
    _apply(tmp_path, 1)
    asked = ("from gates.cli.main import run; run()", "post-deploy", "--env", "local")
    done = _run(tmp_path, "-c", *asked)
    assert done.returncode == outcome.EXIT_CONFIGURATION
    assert _said("has no scenario") in done.stdout
    _apply(tmp_path, 2)
    done = _run(tmp_path, "-m", "pytest", "--collect-only", "-q", "-m", "TEAM-SPEED-1")
    assert done.returncode == 0, done.stderr
    assert "test_team_speed_1" in done.stdout


def _said(part: str) -> str:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    quoted: list[str] = re.findall(r"`([^`\n]+)`", text)
    return next(said for said in quoted if part in said)


def _apply(checkout: pathlib.Path, files: int) -> None:
    examples = _EXAMPLE.findall(ARCHITECTURE.read_text(encoding="utf-8"))
    assert len(examples) == 2
    for where, body in examples[:files]:
        path = checkout / where
        path.parent.mkdir(exist_ok=True)
        path.write_text(body, encoding="utf-8")


def _run(checkout: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout), "SANDBOX_STATE": str(checkout / ".state")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_site_builds_without_a_broken_link_and_maps_the_whole_runbook(
    tmp_path: pathlib.Path,
) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (built.returncode, built.stdout + built.stderr) == (0, "")
    shown = (tmp_path / "docs" / "runbook-map" / "index.html").read_text(encoding="utf-8")
    items = {row.partition(",")[0] for row in RUNBOOK.read_text(encoding="utf-8").splitlines()[1:]}
    asked = {row.id for row in load_catalogue()}
    assert len(items) == 216
    assert not [item for item in items | asked if f'<span id="{item}">' not in shown]
    assert shown.count("<em>not asked yet</em>") == len(items - asked)
