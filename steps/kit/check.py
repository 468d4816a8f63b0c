"""One check while it runs: what was observed and judged, region by region."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gates.decide.judgement import Judgement
from gates.decide.outcome import Meaning, Outcome
from gates.decide.plain_text import cleaned
from gates.decide.verdict import Noted, Observed, Step
from probes.observation import Observation
from steps.kit.expect import NOTHING_TO_JUDGE, expect


class CheckNotPassed(Exception):  # noqa: N818 - a finding about the platform, not an error of ours
    """A check did not pass; the text lists its findings, one line each."""


class CheckFailed(CheckNotPassed, AssertionError):  # noqa: N818 - a finding, as the one above
    """Something was measured and bad: Allure shows it as failed, and what was not decided as broken."""


class CheckBroke(Exception):  # noqa: N818 - it reports another exception
    """A check broke by itself; the text names type and place, never what was raised with it."""

    @classmethod
    def by(cls, raised: Exception) -> CheckBroke:
        """Return the report of an exception, whose own text may hold anything."""
        trace = raised.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = f" in {trace.tb_frame.f_code.co_name}" if trace is not None else ""
        return cls(f"{type(raised).__name__}{place}")


class Check:
    """Gathers observations and judgements from several threads; raises nothing until asked.

    All findings of a check are collected, over all its steps and regions, before it fails.
    """

    def __init__(
        self, check_id: str, regions: tuple[str, ...], means: Meaning = Meaning.ROLLBACK
    ) -> None:
        self.id = check_id
        self.regions = regions
        self.confirms = means in (Meaning.STOP, Meaning.ROLLBACK)
        """Whether a bad answer counts only once it lasted: a FAIL that merely holds costs no wait."""
        self.seen: dict[object, Observation[Any]] = {}
        """What was asked already, and in `unread` what of it is judged as unreadable: see `Asked`."""
        self.unread: set[object] = set()
        self._noted = {region: Noted((), ()) for region in regions}
        self._silent: list[tuple[str, str]] = []
        self._taken: list[Step] = []
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def taking(
        self, sentence: str, *, keyword: str = "Then", judges: bool = True
    ) -> Iterator[None]:
        """Take a step: note what it judges, and in which regions a Then judges nothing."""
        before, text = self._counted(), f"{keyword} {sentence}"
        # What is judged when a step breaks off is its own: so much is known once it ran through.
        self._taken.append(Step(text, judges, {}))
        yield
        judged = {region: number - before[region] for region, number in self._counted().items()}
        self._taken[-1] = Step(text, judges, judged)
        self._silent += [(one, sentence) for one, number in judged.items() if judges and not number]

    def _counted(self) -> dict[str, int]:
        return {region: len(noted.judgements) for region, noted in self.noted().items()}

    def steps(self, sentences: Iterable[tuple[str, bool]]) -> list[Step]:
        """Return the steps of a scenario, given as text and whether each judges."""
        unreached = list(sentences)[len(self._taken) :]
        return [*self._taken, *(Step(text, judges, None) for text, judges in unreached)]

    def judge_silence(self) -> None:
        """Leave open each region that is well but for a Then without a judgement: silence is not green."""
        for region, sentence in self._silent:
            if self.outcome(region) is Outcome.PASS:
                self.judge(region, _unjudged(f"“{sentence}” judged nothing"))
        for region, noted in self.noted().items():
            if noted.judgements and all(one.rule == NOTHING_TO_JUDGE for one in noted.judgements):
                self.judge(region, _unjudged("none of its sentences had anything to judge"))

    def observe(self, region: str, observation: Observation[Any]) -> None:
        """Keep an observation as evidence."""
        with self._lock:
            noted = self._noted[region]
            kept = (*noted.observations, Observed.from_record(cleaned(observation.record())))
            self._noted[region] = dataclasses.replace(noted, observations=kept)

    def judge(self, region: str, *judgements: Judgement) -> None:
        """Add judgements; the worst one is the region's outcome."""
        with self._lock:
            noted = self._noted[region]
            self._noted[region] = dataclasses.replace(
                noted, judgements=(*noted.judgements, *judgements)
            )

    def judge_everywhere(self, *judgements: Judgement) -> None:
        """Judge something that the regions share: each of them lives on it."""
        for region in self.regions:
            self.judge(region, *judgements)

    def noted(self) -> Mapping[str, Noted]:
        """Return everything gathered so far, by region."""
        with self._lock:
            return dict(self._noted)

    def outcome(self, region: str) -> Outcome | None:
        """Return a region's outcome so far; None while nothing was judged there."""
        return self.noted()[region].outcome

    def raise_if_not_passed(self) -> None:
        """Raise CheckNotPassed with every finding, or when a region has none at all."""
        lines = [
            f"{region}: {judgement.outcome.value}: {judgement.sentence}"
            for region, noted in self.noted().items()
            for judgement in noted.judgements
            if judgement.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)
        ]
        failed = any(self.outcome(region) is Outcome.FAIL for region in self.regions)
        lines += [
            f"{region}: nothing was judged"
            for region, noted in self.noted().items()
            if not noted.judgements
        ]
        if lines:
            kind = CheckFailed if failed else CheckNotPassed
            raise kind("\n".join([f"{self.id} did not pass", *lines]))


def _unjudged(sentence: str) -> Judgement:
    clears = "the environment describing what is to be judged there"
    return expect(None, "the check itself", sentence, clears, rule="judged")
