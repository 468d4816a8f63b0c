"""JUnit XML as pytest, Jest, Surefire and device farms write it: how many tests ran, and how they ended.

Read element by element by defusedxml, which refuses document types and entities. Names of tests may hold
anything; they are counted and not kept, names of suites are.
"""

from __future__ import annotations

import collections
import dataclasses
import io
from typing import Final
from xml.etree.ElementTree import Element, ParseError

import defusedxml
import defusedxml.ElementTree

from probes.documents.parts import About, DocumentError, moments, refuse_giants

_MOST_DEPTH: Final = 64
_BAD: Final = frozenset({"failure", "error", "rerunFailure", "rerunError"})
_FLAKY: Final = frozenset({"flakyFailure", "flakyError"})
_COMMIT_PROPERTIES: Final = frozenset({"commit", "git.commit", "revision", "git.sha"})
_DECLARED: Final = ("tests", "failures", "errors")


@dataclasses.dataclass(frozen=True, slots=True)
class JunitReport:
    """Counts of one file."""

    about: About
    suites: tuple[str, ...]
    """Names of the suites that hold tests, once for each."""
    tests: int
    bad: int
    """Failed, or broke off; one that passed when it was tried again is flaky and not bad."""
    skipped: int
    flaky: int
    declared: int
    """How many tests the suites themselves say that they have."""
    declared_bad: int


def read(content: bytes) -> JunitReport:
    """Read a JUnit file; raises DocumentError."""
    refuse_giants(content, b"<=")
    try:
        content.decode("utf-8-sig")
        return _Reading().taken(content)
    except UnicodeDecodeError:
        raise DocumentError("The file is not UTF-8 text.") from None
    except defusedxml.DefusedXmlException:
        raise DocumentError("The file declares a document type or entities.") from None
    except ParseError:
        raise DocumentError("The file is not XML, or is cut off.") from None


class _Reading:
    """One pass over a file."""

    def __init__(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self.suites: list[str] = []
        self.stamps: list[str] = []
        self.commits: list[str] = []
        self.open: list[Element] = []
        self.of_suites: list[collections.Counter[str]] = []
        """Of each open suite what it declares, and what the suites in it do."""

    def taken(self, content: bytes) -> JunitReport:
        parser = defusedxml.ElementTree.DefusedXMLParser(forbid_dtd=True, encoding="utf-8")
        events = defusedxml.ElementTree.iterparse(
            io.BytesIO(content), events=("start", "end"), parser=parser
        )
        for event, element in events:
            if event == "start":
                self._begins(element)
            else:
                self._ends(element)
        counts = self.counts
        about = About("", moments(*self.stamps), tuple(dict.fromkeys(self.commits)))
        return JunitReport(
            *(about, tuple(self.suites), counts["tests"], counts["bad"], counts["skipped"]),
            *(counts["flaky"], counts["declared"], counts["declared bad"]),
        )

    def _begins(self, element: Element) -> None:
        if not self.open and element.tag not in {"testsuites", "testsuite"}:
            raise DocumentError("The file is XML and not a JUnit report.")
        self.open.append(element)
        if len(self.open) > _MOST_DEPTH:
            raise DocumentError(f"The file nests deeper than {_MOST_DEPTH} levels.")
        if element.tag in {"testsuites", "testsuite"}:
            self.of_suites.append(collections.Counter())

    def _ends(self, element: Element) -> None:
        self.open.pop()
        if element.tag == "testcase":
            self._case(element)
        elif element.tag == "property" and element.get("name", "").lower() in _COMMIT_PROPERTIES:
            self.commits.append(element.get("value", "").lower())
        elif element.tag in {"testsuites", "testsuite"}:
            self._suite(element)
        if element.tag not in {*_BAD, *_FLAKY, "skipped"}:
            # What is in a test is judged with the test; all else is done with.
            element.clear()
            if self.open and self.open[-1].tag != "testcase":
                self.open[-1].remove(element)

    def _case(self, element: Element) -> None:
        inside = {child.tag for child in element}
        self.counts["tests"] += 1
        if self.of_suites:
            self.of_suites[-1]["cases"] += 1
        bad = inside & _BAD
        skipped = "skipped" in inside or element.get("status") in {"skipped", "disabled", "notrun"}
        self.counts["bad"] += bool(bad)
        self.counts["skipped"] += skipped and not bad
        self.counts["flaky"] += bool(inside & _FLAKY) and not bad

    def _suite(self, element: Element) -> None:
        """Add up what a suite declares; what it says of suites within it is said by them too."""
        own = self.of_suites.pop()
        if own["cases"]:
            self.suites.append(element.get("name", "") or "(no name)")
        if element.get("timestamp") and element.tag == "testsuite":
            self.stamps.append(element.get("timestamp", ""))
        tests, failures, errors = (_whole(element.get(name)) for name in _DECLARED)
        said = {"tests": max(tests, own["tests"]), "bad": max(failures + errors, own["bad"])}
        if self.of_suites:
            self.of_suites[-1].update(said)
        else:
            self.counts["declared"], self.counts["declared bad"] = said["tests"], said["bad"]


def _whole(text: str | None) -> int:
    """Return a count that is declared, 0 for none; raises DocumentError for what is not one."""
    if text is None:
        return 0
    if not text.isdecimal() or len(text) > 9:  # noqa: PLR2004 - no file holds a milliard tests
        raise DocumentError("The file declares a number of tests that is not one.")
    return int(text)
