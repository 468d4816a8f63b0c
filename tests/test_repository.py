"""The repository's own rules: those that no linter knows."""

from __future__ import annotations

import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

import yaml

from bdd.features import feature_files, scenarios
from bench import size
from gates.load import FEATURES, load_catalogue
from tests.checkout import ROOT, tracked_files
from tests.conftest import LONGEST_FIRST, ONE_PLATFORM_EACH, TESTS
from tests.tables import cases

PRODUCT = (
    *(
        "bdd",
        "bench",
        "docs",
        "environments",
        "gates",
        "load",
        "probes",
        "prove",
        "reports",
        "sandbox",
    ),
    *("settings", "smoke", "steps"),
)
SCENARIO = "locustfile.py"
"""What the load test asks of the platform; nothing else of `load` knows it."""
KNOW_NO_PLATFORM = ("bdd", "gates", "load", "probes", "settings", "steps")
MOST_LINES = 45
MOST_MODULES = 20

FILES = tracked_files()
PYTHON = [path for path in FILES if path.suffix == ".py"]
CODE = [path for path in PYTHON if path.relative_to(ROOT).parts[0] in PRODUCT]


def _at(path: pathlib.Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_every_package_of_the_checkout_is_looked_at() -> None:
    packages = {path.relative_to(ROOT).parts[0] for path in PYTHON if path.parent != ROOT}
    assert packages == {*PRODUCT, "deploy", "examples", "tests"}


def test_no_function_is_longer_than_a_screen() -> None:
    found = {
        f"{_at(path, node.lineno)} {node.name}": lines
        for path in PYTHON
        for node, lines in size.functions(path)
        if lines > MOST_LINES
    }
    assert not found


def test_no_folder_of_the_product_becomes_a_heap() -> None:
    assert {one: n for one, n in size.folders(CODE).items() if n > MOST_MODULES} == {}


_SUPPRESSED = re.compile(r"#\s*(?:noqa|type:\s*ignore|pragma:)")
_WITH_REASON = re.compile(
    r"# noqa: [A-Z]+\d+(?:, [A-Z]+\d+)* - \S.{5,}|# type: ignore\[[\w, -]+\]\s+#\s+\S.{5,}"
)


def test_every_suppressed_warning_names_its_rule_and_its_reason() -> None:
    found = [
        f"{_at(path, token.start[0])}: {token.string}"
        for path in PYTHON
        if _SUPPRESSED.search(path.read_text(encoding="utf-8"))  # to take it apart takes long
        for token in _comments(path)
        if _SUPPRESSED.search(token.string) and not _WITH_REASON.search(token.string)
    ]
    assert not found


def _comments(path: pathlib.Path) -> Iterator[tokenize.TokenInfo]:
    with path.open("rb") as file:
        yield from (
            token for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT
        )


def _platform_words() -> list[str]:
    """Return what prod.yaml says of Unified Health: hosts, routes, metrics, fields, names.

    A bare /health is everybody's, so it is none of them.
    """
    data = yaml.safe_load((ROOT / "environments" / "prod.yaml").read_text(encoding="utf-8"))
    endpoints = [
        endpoint for service in data["services"].values() for endpoint in service["health"].values()
    ]
    words = {
        "latency_ms",
        # AWS is a vendor of this platform, and a system that a probe reads, as Kubernetes is.
        *(set(data["external"]["expected"]) - {"aws"}),
        *(str(urlsplit(url).hostname) for url in data["public"].values()),
        *(metric["name"] for metric in data["metrics"].values()),
        *(endpoint["path"] for endpoint in endpoints if endpoint["path"].count("/") > 1),
        data["prometheus"]["job"],
        data["postgres"]["database"],
        "appointments",
    }
    return [r"unified[-_ ]?health", *sorted(map(re.escape, words))]


def test_the_gate_itself_does_not_know_unified_health() -> None:
    files = [one for one in FILES if one.relative_to(ROOT).parts[0] in KNOW_NO_PLATFORM]
    words = rf"(?<![\w/])(?:{'|'.join(_platform_words())})(?!\w)"
    assert _lines_with(words, [one for one in files if one.name != SCENARIO]) == []


def _lines_with(pattern: str, files: Iterable[pathlib.Path]) -> list[str]:
    found = re.compile(pattern, re.IGNORECASE)
    return [
        f"{_at(path, number)}: {line.strip()}"
        for path in files
        for number, line in enumerate(_text(path).splitlines(), start=1)
        if found.search(line)
    ]


@cases(
    "pattern",
    {
        "a package registry": r"(?:pypi|pythonhosted|golang)\.org|npmjs\.",
        "a package index": r"https?://\S+/simple\b|index-url[ =]http",
        "a mirror of a distribution": r"(?:deb|security)\.debian\.org",
        "a home directory": r"(?<![\w.~])/(?:home|Users|root)/\w",
        "the place of this checkout": rf"{re.escape(str(ROOT))}\b",
    },
)
def test_no_file_names_an_address_or_a_folder_of_one_machine(pattern: str) -> None:
    assert _lines_with(pattern, FILES) == []


def _text(path: pathlib.Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


_IMPORT_EVERYTHING = """
import importlib, json, os, pkgutil, sys

root, names = sys.argv[1], sys.argv[2:]
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "subprocess.Popen", "os.system",
           "socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo"}
found = []

def ours():
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if "site-packages" in file:
            return None  # a library's own doing
        if file.startswith(root + os.sep):
            return f"{os.path.relpath(file, root)}:{frame.f_lineno}"
        frame = frame.f_back
    return None

def hook(event, arguments):
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
    if (writes or event in CHANGES) and ours():
        found.append(f"{ours()} {event}")

sys.addaudithook(hook)
for name in names:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print(json.dumps(found))
"""


def test_importing_every_package_opens_no_socket_writes_no_file_starts_no_process() -> None:
    done = subprocess.run(
        [sys.executable, "-B", "-c", _IMPORT_EVERYTHING, str(ROOT), *PRODUCT],
        cwd=ROOT,
        # Locust is imported first where it runs; here, after everybody who knows sockets already.
        env={**os.environ, "LOCUST_SKIP_MONKEY_PATCH": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_every_id_of_the_catalogue_has_exactly_one_scenario_and_every_scenario_an_id() -> None:
    found = collections.Counter(place.check for place in scenarios(feature_files(FEATURES)))
    assert found == {row.id: 1 for row in load_catalogue()}


def test_every_file_whose_tests_need_a_platform_shares_one_and_those_that_run_first_exist() -> None:
    assert [file for file in LONGEST_FIRST if not (TESTS / file).is_file()] == []
    asks = re.compile(r"\bplatform: Sandbox\b")
    files = {file for file in TESTS.rglob("test_*.py") if asks.search(file.read_text("utf-8"))}
    shared = {file for files in ONE_PLATFORM_EACH for file in files}
    assert {file.relative_to(TESTS).as_posix() for file in files} <= shared


def test_a_gate_that_a_test_starts_leaves_no_run_in_the_checkout() -> None:
    gate = pathlib.Path(sys.executable).parent / "gate"
    asked = ["post-deploy", "--env", "local", "--release", "none", "--output", "json"]
    done = subprocess.run([gate, *asked], capture_output=True, text=True, timeout=60, check=False)
    run = json.loads(done.stdout)["run"]
    assert not (ROOT / "reports" / "out" / run).exists()
    assert (pathlib.Path(os.environ["GATE_OUT"]) / run / "verdict.json").is_file()
