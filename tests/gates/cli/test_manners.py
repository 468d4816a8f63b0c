"""How the gate behaves in a shell: help, completion, what it lists, what it removes."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import pathlib
import shutil
import subprocess
from collections.abc import Callable

import pytest

from gates import VERSION
from gates.cli import main as module
from gates.cli.arguments import Parser
from gates.decide.scope import Phase
from gates.load import ROOT, load_catalogue
from tests.tables import cases

NEWEST, OLD, OLDER = (
    f"2026{month}01T220000Z-post-deploy-aaaaa{n}" for n, month in enumerate(("12", "03", "01"))
)


def called(*arguments: str) -> tuple[int, str]:
    stdout = io.StringIO()
    return module.main(arguments, stdout, stdout), stdout.getvalue()


@pytest.mark.parametrize("command", module.COMMANDS)
def test_each_command_helps_with_examples_that_it_takes_itself(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser, commands = module.parser_for([command])
    assert [called("help", command)[0], called(command, "--help")[0]] == [0, 0]
    told = capsys.readouterr().out
    assert told.count(f"examples:\n  gate {command}") == 2
    _, *examples = told.partition("examples:\n")[2].split("  gate ")
    for line in examples:
        words, _, _ = line.partition("\n")[0].partition(" >")
        parser.parse_args(words.split())
    assert isinstance(commands[command], Parser)


def test_it_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert (called("--version")[0], capsys.readouterr().out) == (0, f"gate {VERSION}\n")


@cases(
    "mistyped meant",
    {
        "a command": (("post-deploi",), "did you mean post-deploy?"),
        "a flag": (
            ("phase", "2", "--env", "local", "--relase", "v1.2.0"),
            "did you mean --release?",
        ),
        "a window": (("post-deploy", "--env", "local", "--window", "1"), "did you mean 1h?"),
        "nothing near": (("xyzzy",), "'xyzzy' (choose from"),
    },
)
def test_what_is_mistyped_is_named(
    mistyped: tuple[str, ...], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _ = called(*mistyped)
    assert (code, meant in capsys.readouterr().err) == (64, True)


COMPLETED = {
    "gate post-": "post-deploy",
    "gate checks --w": "--window",
    "gate post-deploy --window ": "15m 1h 24h",
    "gate status --env ": "local staging prod",
    "gate doctor --env local --region ": "eu us",
    "gate doctor --env moon --region ": "",
    "gate post-deploy --env local --only IV-FL": "IV-FLOW-1 IV-FLOW-5",
    "gate explain --out {out} 2026": f"{NEWEST} {OLD}",
}


def test_bash_completes_commands_flags_and_values(tmp_path: pathlib.Path) -> None:
    """In a real bash, by what `gate completion bash` prints; zsh and fish are asked where they are."""
    for name in (NEWEST, OLD):
        a_run(tmp_path, name)
    script = """
eval "$(gate completion bash)"
for line; do
  COMP_LINE=$line COMP_POINT=${#line} COMP_TYPE=9 COMP_WORDS=($line) COMP_CWORD=1 COMPREPLY=()
  _python_argcomplete gate
  echo "${COMPREPLY[@]}"
done
"""
    path = f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script, "bash", *(line.format(out=tmp_path) for line in COMPLETED)],  # noqa: S607 - whichever bash there is
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = dict(zip(COMPLETED, map(str.split, done.stdout.splitlines()), strict=True))
    wanted = {line: words.split() for line, words in COMPLETED.items()}
    kept = {line: [one for one in wanted[line] if one in words] for line, words in found.items()}
    assert kept == wanted
    assert "eu" not in found["gate doctor --env moon --region "]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_read_what_is_meant_for_them(shell: str) -> None:
    code, script = called("completion", shell)
    assert (code, "gate" in script) == (0, True)
    if shutil.which(shell):
        subprocess.run([shell, "-n", "-c", script], timeout=60, check=True)


def test_it_lists_what_a_gate_would_ask(said: Callable[..., None]) -> None:
    code, text = called("checks", "phase", "2", "--output", "json")
    found = json.loads(text)["checks"]
    asked = Phase.parse("2").scope(load_catalogue(), switched=False)
    assert (code, [one["id"] for one in found]) == (0, [row.id for row in asked.rows])
    said([found[0], called("checks", "phase", "2.1")[1].splitlines()[:2]])


@pytest.mark.parametrize(
    "wrong", [["phase"], ["post-deploy", "2"], ["phase", "2.9"], ["--env", "moon"]]
)
def test_what_it_cannot_list_is_64(wrong: list[str]) -> None:
    assert called("checks", *wrong)[0] == 64


def a_run(out: pathlib.Path, name: str, state: str = "complete", env: str = "prod") -> pathlib.Path:
    folder = out / name
    folder.mkdir(parents=True)
    (folder / "verdict.json").write_text(json.dumps({"environment": env, "state": state}))
    return folder


def test_pruning_removes_what_is_old_and_nothing_that_is_needed(tmp_path: pathlib.Path) -> None:
    for name in (NEWEST, OLD):
        a_run(tmp_path, name)
    running = a_run(tmp_path, OLDER, state="incomplete")
    a_run(tmp_path, OLD.replace("post", "pre"), env="staging")
    left = a_run(tmp_path, OLDER.replace("post", "pre"))
    journal = {"intend": "tag", "region": "eu", "environment": "prod"}
    (left / "synthetic-journal.jsonl").write_text(json.dumps(journal))
    (tmp_path / "20260101T220000Z-other").mkdir()
    before = {one.name for one in tmp_path.iterdir()}
    code, told = called("prune", "--out", str(tmp_path))
    assert (code, {one.name for one in tmp_path.iterdir()}) == (0, before)
    assert f"would go {OLD}\n" in told
    code, told = called("prune", "--out", str(tmp_path), "--yes")
    assert (code, before - {one.name for one in tmp_path.iterdir()}) == (0, {OLD}), told
    assert f"{running.name}: it has no verdict" in told
    assert f"{left.name}: synthetic records" in told
    young = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ-post-deploy-bbbbbb")
    a_run(tmp_path, young)
    assert young not in called("prune", "--out", str(tmp_path))[1]


@cases(
    "changed words",
    {
        "another gate's": ({"gate": "post-deploy"}, "is not a watch of 1.2.0 on local"),
        "of another release": ({"release": "v1.1.0"}, "is not a watch of 1.2.0 on local"),
        "of another environment": ({"asked_as": "prod"}, "is not a watch of 1.2.0 on local"),
        "one that ended": ({"state": "complete"}, "was not stopped; begin a new watch"),
    },
)
def test_only_a_stopped_watch_of_the_same_release_is_resumed(
    tmp_path: pathlib.Path, changed: dict[str, str], words: str
) -> None:
    stopped = {"gate": "watch", "asked_as": "local", "release": "v1.2.0", "state": "interrupted"}
    run = tmp_path / "20261123T011500Z-watch-abcdef"
    run.mkdir()
    (run / "verdict.json").write_text(json.dumps(stopped | changed))
    asked = ("watch", "--env", "local", "--release", "1.2.0", "--resume", str(run))
    code, said = called(*asked)
    assert (code, words in said) == (64, True), said
