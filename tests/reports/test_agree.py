"""Every artefact of a run says the same, whatever was measured; foreign text and secrets change nothing."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import pathlib
import re
import tempfile
import urllib.parse

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gates.cli import asking
from gates.decide.fold import Stage
from gates.decide.judgement import Judgement, equals
from gates.decide.outcome import Meaning, Outcome
from gates.decide.statements import Signature
from gates.decide.verdict import Step, Verdict
from gates.run import runs
from reports import explanation, metrics, notice, writers
from tests.gates.decide.values import a_waiver
from tests.reports import verdicts
from tests.reports.parsed import by_artefact, read_page, shown

ROWS = (*verdicts.ROWS, verdicts.row("IV-NOTE-1", "qa", Meaning.ADVISORY))
CELLS = [(row.id, region) for row in ROWS for region in verdicts.REGIONS]
JUDGED = st.sampled_from([one for one in Outcome if one is not Outcome.NOT_APPLICABLE])


def judgement(outcome: Outcome, place: int) -> Judgement:
    return Judgement(outcome=outcome, rule="r", subject="it", sentence=f"finding {place} of it")


@st.composite
def folds(draw: st.DrawFn) -> Verdict:
    """Draw a verdict: some cells judged, some missing, some twice, at any stage, with problems or without."""
    outcomes = st.lists(JUDGED, min_size=1, max_size=3)
    found = {
        cell: tuple(judgement(one, place) for place, one in enumerate(draw(outcomes)))
        for cell in CELLS
        if draw(st.integers(0, 9))
    }
    problems = draw(st.sampled_from([(), ("the child ended with code 137",)]))
    return verdicts.verdict_of(
        {cell: ones if draw(st.booleans()) else ones[:1] for cell, ones in found.items()}
        | (verdicts.passing() if draw(st.booleans()) else {}),
        rows=ROWS,
        stage=draw(st.sampled_from(Stage)),
        problems=problems,
        waivers=tuple(
            a_waiver(check, draw(st.sampled_from((Outcome.FAIL, Outcome.INCONCLUSIVE))))
            for check in sorted(draw(st.sets(st.sampled_from([row.id for row in ROWS]))))
        ),
        twice=tuple(draw(st.sets(st.sampled_from(sorted(found)), max_size=1))) if found else (),
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(folds())
def test_every_artefact_says_the_same_of_every_fold(verdict: Verdict) -> None:
    """`./harness prove artefacts` tries 300 and more."""
    says_the_same(verdict)


def says_the_same(verdict: Verdict) -> None:
    with tempfile.TemporaryDirectory() as folder:
        writers.write_all(pathlib.Path(folder), verdict.record())
        told = by_artefact(pathlib.Path(folder), verdict)
    said = told["verdict"]
    assert told == dict.fromkeys(told, said)
    code, decision, checks = shown(verdict)
    assert (code, decision) == (verdict.exit_code, said.decision)
    assert code == {"GO": 0, "HOLD": 20}.get(decision, 10)
    assert checks == {check for check, _ in said.red}


SIGNED = ("check", "person", "name", "role", "signed_at", "received_at", "sha256", "key")
FOREIGN = (
    "\x1b[2J\x1b]8;;https://evil.example\x07click\x1b]8;;\x07 <img src=x onerror=alert(1)>"
    "<script>alert(2)</script></style></title>]]>&amp; [a](https://evil.example) ![b](c) | `d` \ud83d "
    "{{ 7*7 }} {% raw %} javascript:alert(3)\n# head\r\n"
)
A_MEGABYTE = "long " * 200_000


def with_text(text: str) -> Verdict:
    """Return a verdict that holds a text in every place of it that a foreign one could reach."""
    bad = dataclasses.replace(equals("status", 503, 200), sentence=text, clears=text, subject=text)
    long = dataclasses.replace(bad, sentence=text + A_MEGABYTE)
    waiver = dataclasses.replace(a_waiver("IV-HEALTH-6"), reason=text, ticket=text, by=(text,))
    verdict = verdicts.verdict_of(
        verdicts.passing() | {("IV-HEALTH-1", "eu"): (bad, long), ("IV-HEALTH-6", "us"): (bad,)},
        problems=(text,),
        waivers=(waiver,),
    )
    first, *others = verdict.checks
    named = dataclasses.replace(
        first, title=text, owner=text, scenario=text, steps=(Step(text, judges=True, judged=None),)
    )
    reasons = (
        dataclasses.replace(one, owner=text) if one.check == first.id else one
        for one in verdict.reasons
    )
    return verdicts.changed(
        verdict,
        checks=(named, *others),
        reasons=tuple(reasons),
        sentences=(text,),
        statements=(Signature(**dict.fromkeys(SIGNED, text), receipt=1),),
        not_asked=(dataclasses.replace(verdict.not_asked[0], what=text, why=text),),
        **dict.fromkeys(("environment", "release", "classification"), text),
        digests={"policy": text},
        versions={text: text},
    )


def test_foreign_text_breaks_nothing_and_injects_nothing(tmp_path: pathlib.Path) -> None:
    writers.write_all(tmp_path, with_text(FOREIGN).record())
    told = by_artefact(tmp_path, with_text(""))
    assert {(one.decision, one.red) for one in told.values()} == {
        ("ROLLBACK", frozenset({("IV-HEALTH-1", "eu")}))
    }
    page = read_page((tmp_path / "sign-off.html").read_text(encoding="utf-8"))
    assert page.tags.isdisjoint({"script", "img", "a", "onerror", "iframe"})
    for file in tmp_path.rglob("*"):
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        assert not {"\x1b", "\x07", "\ufffe"} & set(text), file
    markdown = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert not re.search(r"(?<!\\)<", re.sub(r"(?<!\\)`[^`]*`", "", markdown))  # but in code
    assert "\n# head" not in markdown


def test_foreign_text_is_plain_in_all_that_is_printed_and_sent(tmp_path: pathlib.Path) -> None:
    (tmp_path / "verdict.json").write_text(json.dumps(with_text(FOREIGN).record()))
    verdict = Verdict.from_record(runs.Run(tmp_path).record())
    told = notice.notice(verdict, "https://ci.example/{run}")
    kinds = (notice.slack, notice.teams, notice.pagerduty, notice.webhook)
    sent = [json.dumps(make(told, "key"), ensure_ascii=False) for make in kinds]
    printed = io.StringIO()
    asking.show(verdict, "text", printed)
    drawn = [explanation.render(verdict, None), metrics.openmetrics([verdict])]
    for text in (printed.getvalue(), *drawn, *sent):
        assert not {"\x1b", "\x07", "\ud83d"} & set(text)
        assert "\n# head" not in text
        assert len(text) < 3 * len(A_MEGABYTE)


SECRET = 'Bea"rer/ s3cr+et='


@pytest.mark.parametrize("name", verdicts.EVERY)
def test_no_artefact_holds_what_only_the_environment_knows(
    name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("GITHUB_TOKEN", "API_TOKEN", "CI_JOB_TOKEN", "GATE_SECRET"):
        monkeypatch.setenv(variable, SECRET)
    monkeypatch.setenv("BUILD_URL", f"https://me:{SECRET}@ci.example/1")
    monkeypatch.setenv("JENKINS_URL", "https://ci.example/")
    verdict = verdicts.EVERY[name]()
    writers.write_all(tmp_path, verdict.record())
    forms = {
        *(SECRET, urllib.parse.quote(SECRET, safe=""), json.dumps(SECRET)[1:-1]),
        *(base64.b64encode(f"{' ' * pad}{SECRET}".encode()).decode()[4:-4] for pad in range(3)),
    }
    for file in filter(pathlib.Path.is_file, tmp_path.rglob("*")):
        text = file.read_text(encoding="utf-8")
        assert not [one for one in forms if one in text], file
