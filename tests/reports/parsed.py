"""Every artefact of a run read back, by what it looks like: nothing here knows how it was made."""

from __future__ import annotations

import html.parser
import io
import json
import pathlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any, NamedTuple

from gates.cli import asking
from gates.decide.verdict import Verdict

WAIVED = "WAIVED"
GOOD = {"PASS", "NOT_APPLICABLE", WAIVED}
CELL = re.compile(r"\*\*(.+)\*\*")


class Told(NamedTuple):
    """What an artefact says: the decision, and which checks are red or waived, with their regions."""

    decision: str
    red: frozenset[tuple[str, str]]
    waived: frozenset[tuple[str, str]]


def by_artefact(folder: pathlib.Path, verdict: Verdict) -> dict[str, Told]:
    """Return what each artefact in a run's folder says."""
    return {
        "verdict": _record(json.loads(json.dumps(verdict.record()))),
        "junit": _junit(ET.parse(folder / "junit.xml")),  # noqa: S314 - our own output
        "markdown": _markdown((folder / "summary.md").read_text(encoding="utf-8")),
        "allure": _allure(folder / "allure-results"),
        "page": _page((folder / "sign-off.html").read_text(encoding="utf-8")),
    }


def shown(verdict: Verdict) -> tuple[int, str, frozenset[str]]:
    """Return the exit code, and decision and red checks of the lines that are printed."""
    out = io.StringIO()
    code = asking.show(verdict, "text", out)
    (decision,) = re.findall(r"^decision: (\w+)", out.getvalue(), re.MULTILINE)
    reasons = re.findall(r"^reason (.*?): [A-Z]+ -> ", out.getvalue(), re.MULTILINE)
    return code, decision, frozenset(re.findall(r"IV-[A-Z]+-\d", " ".join(reasons)))


def _record(record: dict[str, Any]) -> Told:
    times = {(one["check"], one["region"]) for one in record["reasons"] if one["check"]}
    red = {
        (check["id"], region)
        for check in record["checks"]
        for region, found in check["regions"].items()
        if check["on_fail"] != "advisory"
        if found["outcome"] not in GOOD or (check["id"], region) in times
    }
    waived = {(one["check"], one["region"]) for one in record.get("waived", ())} - times
    return Told(record["decision"], frozenset(red - waived), frozenset(waived))


def _junit(tree: ET.ElementTree[ET.Element]) -> Told:
    def found(case: ET.Element) -> str:
        skipped = case.find("skipped")
        if skipped is not None and skipped.get("message", "").startswith("waived until"):
            return WAIVED
        return "" if case.find("failure") is None and case.find("error") is None else "red"

    cells = {
        (case.get("name", "").split()[0], case.get("classname", "").rpartition(".")[2]): found(case)
        for case in tree.iter("testcase")
        if case.get("name") != "gate run"
    }
    decisions = {
        one.get("value", "") for one in tree.iter("property") if one.get("name") == "decision"
    }
    return Told(" ".join(decisions), _are(cells, "red"), _are(cells, WAIVED))


def _are(cells: Mapping[tuple[str, str], str], word: str) -> frozenset[tuple[str, str]]:
    return frozenset(cell for cell, found in cells.items() if found == word)


def _markdown(text: str) -> Told:
    lines = text.splitlines()
    heads = next((one for one in lines if one.startswith("| check |")), "")
    regions = [one.strip() for one in heads.split("|")[2:-2]]
    rows = [
        [one.strip() for one in line.split("|")[1:]] for line in lines if line.startswith("| IV-")
    ]
    cells = {
        (row[0], region): CELL.sub(r"\1", cell) * bool(CELL.fullmatch(cell))
        for row in rows
        if row[0] != "IV-NOTE-1"
        for region, cell in zip(regions, row[1:], strict=False)
    }
    waived = _are(cells, WAIVED)
    red = frozenset(cell for cell, word in cells.items() if word) - waived
    return Told(lines[0].split()[2].removesuffix(":").replace("\\", ""), red, waived)


def _allure(folder: pathlib.Path) -> Told:
    decision, red, waived = "", set(), set()
    for file in folder.glob("*-result.json"):
        result = json.loads(file.read_text(encoding="utf-8"))
        known = {one["name"]: one.get("value", "") for one in result["parameters"]}
        if result["name"].startswith("The run itself"):
            decision = known["decision"]
        elif result["status"] in ("failed", "broken"):
            red.add((result["name"].split()[0], known["region"]))
        elif result["statusDetails"].get("message", "").startswith(WAIVED):
            waived.add((result["name"].split()[0], known["region"]))
    return Told(decision, frozenset(red), frozenset(waived))


class _Cells(html.parser.HTMLParser):
    """Gathers the heading and the rows of tables."""

    def __init__(self) -> None:
        super().__init__()
        self.head = ""
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self._in = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.tags.update(name for name, _ in attrs if name.startswith("on"))
        self._in = tag if tag in ("h1", "td", "th") else self._in
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self._in == "h1":
            self.head, self._in = self.head + data, ""
        elif self._in in ("td", "th"):
            self.rows[-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._in = "" if tag in ("td", "th", "h1") else self._in


def read_page(text: str) -> _Cells:
    """Return what a page holds."""
    cells = _Cells()
    cells.feed(text)
    return cells


def _page(text: str) -> Told:
    cells = read_page(text)
    heads = next((row for row in cells.rows if row[:1] == ["check"]), [])
    regions = heads[1:-1]
    words = {
        (row[0], region): word
        for row in cells.rows
        if len(row) == len(heads) and row[0].startswith("IV-") and row[0] != "IV-NOTE-1"
        for region, word in zip(regions, row[1:], strict=False)
    }
    red = frozenset(cell for cell, word in words.items() if word not in GOOD)
    return Told(cells.head.strip(), red, _are(words, WAIVED))
