"""One walk of a made-up patient through the site, which answers for every region: the build is the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome, worst_outcome
from gates.decide.suite import Attachment, Finding, Kind, Tested
from probes.observation import Observation
from settings.delivery import Frontend
from settings.service import Synthetic
from smoke.journey import Patient
from smoke.pages import Pages
from smoke.walks import WINDOW
from steps.browser.reading import browser
from steps.kit.asked import Asked, Unread
from steps.kit.expect import expect, unable
from steps.kit.failures import Cause, cause, failure_of, our_error
from steps.kit.leases import LeaseHeldError
from steps.kit.records import Records
from steps.kit.run import Run
from steps.kit.suites import hand_over

T = TypeVar("T")
_SUBJECT = "web application"


@dataclasses.dataclass(frozen=True, slots=True)
class Walk(Generic[T]):
    """What is done on a page, and what the browser pretends to be."""

    name: str
    do: Callable[[Pages, Patient, str], T]
    """Takes the pages, the patient, and the provider that may be booked."""
    seconds: float
    scripts: tuple[str, ...] = ()
    options: Mapping[str, Any] = dataclasses.field(default_factory=lambda: WINDOW)


@dataclasses.dataclass(frozen=True, slots=True)
class Walked(Generic[T]):
    """What a walk found, and where."""

    region: str
    observed: Observation[probes.browser.Visited[T]] | None
    held: str = ""
    """Who else is writing synthetic records, so that there was no walk."""

    @property
    def brought(self) -> bool:
        """Whether the walk was taken."""
        return self.observed is not None and self.observed.value is not None

    def read(self, asked: Asked) -> T:
        """Return what was found; raises Unread once it is judged why there is nothing."""
        if self.observed is not None:
            asked.keep(self.observed)
            visited = self.observed.value
            if visited is not None and visited.value is not None:
                return visited.value
        asked.judge(self._nothing())
        raise Unread(_SUBJECT)

    def _nothing(self) -> Judgement:
        """Return what is said where there was no walk: a site that does not open is left open."""
        if self.observed is None:
            sentence = f"one run at a time writes synthetic records, and {self.held}"
            return unable(_SUBJECT, sentence, "that run ending", rule="lease")
        if self.observed.value is not None:
            why = self.observed.value.wrong
        else:
            failure = failure_of(self.observed)
            if cause(failure) is Cause.OURS:
                return our_error(_SUBJECT, failure)
            why = f"{failure.kind.value}. {failure.detail}"
        sentence = f"{_SUBJECT} in {self.region}: nothing is proved of it. {why}"
        return expect(None, _SUBJECT, sentence, "a site that opens", rule="opened")

    @property
    def browser(self) -> dict[str, str]:
        """Return the browser's version by its name, as evidence has it."""
        visited = self.observed.value if self.observed is not None else None
        name, _, version = (visited.browser if visited is not None else "").partition(" ")
        return {name: version} if name else {}


def walked(run: Run, walk: Walk[T]) -> Walked[T]:
    """Walk in the first region whose site opens."""
    synthetic, frontend = run.platform.section(Synthetic), run.platform.section(Frontend)
    records, walks = Records(run, synthetic), []
    try:
        with records.writing():
            for region in run.platform.regions:
                with records.tagged(region, walk.name) as tag:
                    site = frontend.address(region)
                    walks.append(Walked(region, _visited(run, walk, site, synthetic, tag)))
                if walks[-1].brought:
                    break
    except LeaseHeldError as exc:
        return Walked(run.platform.regions[0], None, str(exc))
    return walks[-1]


def _visited(
    run: Run, walk: Walk[T], site: str, synthetic: Synthetic, tag: str
) -> Observation[probes.browser.Visited[T]]:
    patient = Patient.made_up(tag, synthetic.email_domain)
    look = probes.browser.Look(
        site=site,
        headers={"X-Synthetic-Tag": tag},
        options=walk.options,
        scripts=walk.scripts,
        private=(patient.password,),
    )
    return probes.browser.visit(
        browser(run),
        look,
        lambda page: walk.do(
            Pages(page, site, step_seconds=run.platform.policy.browser.step_within),
            patient,
            synthetic.provider_id,
        ),
        seconds=walk.seconds,
        deadline=run.platform.deadline,
    )


def conclude(  # noqa: PLR0913 - what is judged, and what evidence is made of
    run: Run,
    asked: Asked,
    kind: Kind,
    walk: Walked[Any],
    judgements: Iterable[Judgement],
    *,
    tools: Mapping[str, str] | None = None,
    facts: Mapping[str, float] | None = None,
    attachments: Iterable[Attachment] = (),
) -> None:
    """Judge in every region, and hand it over as evidence: one test for each page that judgements name."""
    every = [
        dataclasses.replace(one, data={**one.data, "seen_in": walk.region}) for one in judgements
    ]
    asked.judge(*every)
    by_page: dict[str, list[Judgement]] = {}
    for one in every:
        for page in one.data.get("pages", ()):
            by_page.setdefault(page, []).append(one)
    hand_over(
        run,
        asked,
        kind,
        tests=[_tested(page, found) for page, found in by_page.items()],
        tools={**walk.browser, **(tools or {})},
        counts={"pages": len(by_page)},
        facts=facts,
        findings=[
            Finding(
                rule=one.subject,
                where=", ".join(one.data.get("pages", ())) or walk.region,
                sentence=one.sentence,
                outcome=one.outcome,
                link=one.data.get("link", ""),
            )
            for one in every
            if one.outcome is not Outcome.PASS
        ],
        attachments=attachments,
    )


def _tested(page: str, found: list[Judgement]) -> Tested:
    outcome = worst_outcome(one.outcome for one in found)
    first = next(one.sentence for one in found if one.outcome is outcome)
    return Tested(name=page, outcome=outcome, sentence=first)
