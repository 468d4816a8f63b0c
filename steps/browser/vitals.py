"""How long people wait for the pages and what those cost, against the policy and the release before."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import probes
from environments.yaml_file import ConfigurationError, read_json
from gates.decide.judgement import Judgement, amount
from gates.decide.suite import Kind
from settings.browser import Browser, VitalsPolicy
from smoke import loads
from smoke.examined import Loaded
from steps.browser import accessibility_rules
from steps.browser.walked import Walk, Walked, conclude, walked
from steps.kit.asked import Asked
from steps.kit.expect import expect, measured, nothing_to_judge, unable
from steps.kit.platform import Platform
from steps.kit.run import Run
from steps.kit.sentence import then, when

if TYPE_CHECKING:
    from probes.browser.looks import Vitals

_KIND = Kind.VITALS
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


@when("each page of the web application is loaded afresh", target_fixture="loaded")
def loaded(run: Run) -> Walked[Loaded]:
    return run.shared(_loaded)


def _loaded(run: Run) -> Walked[Loaded]:
    seconds = run.platform.policy.vitals.budget
    return walked(run, Walk("vitals", loads.load, seconds, (probes.looks.WATCH,)))


@then("none is slower, heavier or less steady than the policy allows, or than the release before")
def within_limits(run: Run, asked: Asked, loaded: Walked[Loaded]) -> None:
    found, policy = loaded.read(asked), run.platform.policy.vitals
    judgements = [
        *accessibility_rules.not_seen(found.missing),
        *(one for page, took in found.pages.items() for one in within(page, took, policy)),
        *_compared(run.platform, found, policy),
    ]
    facts = {
        name: value for page, took in found.pages.items() for name, value in facts_of(page, took)
    }
    conclude(run, asked, _KIND, loaded, judgements, facts=facts)


def _compared(platform: Platform, found: Loaded, policy: VitalsPolicy) -> Iterator[Judgement]:
    """Yield what became of each page since the release before, if its evidence is kept."""
    subject, kept = "web vitals of the release before", platform.section(Browser).previous_vitals
    if kept is None:
        yield nothing_to_judge(subject, "browser.previous_vitals names none")
        return
    try:
        before = read_json(platform.beside(kept))
    except ConfigurationError as exc:
        yield unable(subject, f"{subject}: {exc}", f"{kept} as evidence has it")
        return
    facts = before.get("facts")
    if before.get("kind") != _KIND.value or not isinstance(facts, Mapping):
        yield unable(subject, f"{subject}: {kept} is not evidence of them", f"another {kept}")
        return
    for page, took in found.pages.items():
        yield from worse(page, took, facts, policy)


# --- what is said of a page


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a page."""

    name: str
    words: str
    unit: str
    noise: float
    """By how much it varies from load to load, whatever the page does."""


FIGURES = {
    "lcp_ms": Figure("lcp-ms", "largest paint", "ms", 200),
    "cls": Figure("cls", "layout shifts", "", 0.02),
    "inp_ms": Figure("inp-ms", "answer to a press", "ms", 50),
    "transferred_bytes": Figure("bytes", "weight", "bytes", 1000),
    "requests": Figure("requests", "requests", "", 1),
}


def within(page: str, took: Vitals, policy: VitalsPolicy) -> Iterator[Judgement]:
    """Judge each figure of a page against the policy's limit; one that is not there is left open."""
    limits = {
        "lcp_ms": policy.lcp * 1000,
        "cls": policy.cls,
        "inp_ms": policy.inp * 1000,
        "transferred_bytes": float(policy.page_bytes),
        "requests": float(policy.requests),
    }
    for field, figure in FIGURES.items():
        value, limit = getattr(took, field), limits[field]
        subject, pages = f"{figure.words} of {page}", {"pages": [page]}
        if value is None:
            sentence = f"{subject} was not measured: nothing was painted"
            yield expect(None, subject, sentence, "a page that shows something", data=pages)
            continue
        good, most = value <= limit, f"{limit:g} {figure.unit}".strip()
        found = f"{amount(value, limit)} {figure.unit}".strip()
        sentence = f"{subject}: {found}, allowed {most}"
        clears, kept = f"at most {most}", measured("at most", value, limit, figure.unit)
        yield expect(good, subject, sentence, clears, **kept, data=pages)


def worse(
    page: str, took: Vitals, before: Mapping[str, Any], policy: VitalsPolicy
) -> Iterator[Judgement]:
    """Judge each figure of a page that the release before had too; noise alone makes none worse."""
    for field, figure in FIGURES.items():
        value, was = getattr(took, field), before.get(_fact(page, figure))
        if value is None or isinstance(was, bool) or not isinstance(was, int | float):
            continue
        limit = was * (1 + policy.worse_by) + figure.noise
        subject = f"{figure.words} of {page}, compared"
        sentence = (
            f"{figure.words} of {page}: {amount(value, was)} {figure.unit}".rstrip()
            + f", and {was:g} in the release before"
        )
        clears, kept = f"at most {limit:g}", measured("as before", value, limit, figure.unit)
        yield expect(value <= limit, subject, sentence, clears, **kept, data={"pages": [page]})


def facts_of(page: str, took: Vitals) -> Iterator[tuple[str, float]]:
    """Yield the figures of a page as evidence names them."""
    for field, figure in FIGURES.items():
        value = getattr(took, field)
        if value is not None:
            yield _fact(page, figure), round(value, 4)


def _fact(page: str, figure: Figure) -> str:
    return f"{_NOT_IN_NAMES.sub('-', page.lower())}-{figure.name}"
