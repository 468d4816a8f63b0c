"""Whether the new version has more bad events than the one before, while both serve: advice alone.

The test may be looked at after every scrape (gates/decide/counting/canary.py). Bad events that come together,
as those of one lost pod, count as many there: so it never decides.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping

from environments.release_file import read_release
from environments.yaml_file import ConfigurationError
from gates.decide.counting.canary import Pair, Suspicion
from gates.decide.counting.statistics import Counts
from gates.decide.judgement import Judgement
from gates.decide.release import Release
from steps.kit.expect import expect
from steps.kit.platform import NotDescribedError, Platform
from steps.objectives import promql
from steps.objectives.counting import Counting
from steps.objectives.instrument import Fit, UnfitError, forget

MOST_SECONDS = 900.0
"""Of one step: what came before, while nobody could ask, is left out."""
RULE = "canary"


class Comparison:
    """One objective's bad events in one region, of the release and of the previous version."""

    def __init__(self, platform: Platform, region: str, check: str) -> None:
        self._title, self._why = check, ""
        self._counted: tuple[Counting, ...] = ()
        self._suspicion, self._sums, self._steps = Suspicion(), Pair(0, 0, 0, 0), 0
        self._until: float | None = None
        try:
            objective = platform.policy.objective(check)
            before = read_release(platform.environment, platform.release).file.previous
            old = dataclasses.replace(platform, release=Release.parse(before))
            counted = tuple(
                Counting.of_objective(one, region, objective, forget) for one in (platform, old)
            )
        except LookupError:
            self._why = f"{platform.policy_folder} has no objective for {check}"
            return
        except (ConfigurationError, NotDescribedError) as exc:
            self._why = str(exc)
            return
        self._title = f"{objective.title}, {platform.release.tag} against {before}"
        self._target = objective.target
        if counted[0].labels == counted[1].labels:
            self._why = (
                f"metrics.{objective.metric}.labels has no {{release}} to tell versions apart"
            )
        else:
            self._counted = counted

    def look(self) -> None:
        """Add what both have counted since the last look; a step that one of them lacks says nothing."""
        if not self._counted:
            return
        try:
            fit = self._counted[0].inspector.inspect()
            until = fit.server_time.timestamp()
            since, self._until = self._until, until
            if since is not None and self._serves_still(fit):
                self._add(fit, min(until - since, MOST_SECONDS))
            self._why = ""
        except UnfitError as exc:
            self._why = str(exc)

    def _serves_still(self, fit: Fit) -> bool:
        """Return whether the previous version is scraped at all: after a cutover it is taken away."""
        asker = self._counted[1].inspector
        targets = promql.selector("up", asker.target_labels)
        what = "the targets of the previous version"
        return bool(asker.value(f"count({targets})", fit.server_time, what))

    def _add(self, fit: Fit, seconds: float) -> None:
        new, old = (
            _whole(one.read(fit, seconds).counts(self._target, seconds)) for one in self._counted
        )
        step = Pair(*new, *old)
        if step.new and step.old:
            self._suspicion, self._steps = self._suspicion.after(step), self._steps + 1
            both = map(dataclasses.astuple, (self._sums, step))
            self._sums = Pair(*map(operator.add, *both))

    def judged(self) -> Judgement:
        """Judge that the release is not proved to be worse; undecided where that could not be read."""
        title, sums = self._title, self._sums
        if not self._steps:
            why = self._why or "they did not serve at the same time"
            good, clears = (None if self._why else True), "both versions' events, while both serve"
            return expect(good, title, f"{title}: nothing to compare: {why}", clears, rule=RULE)
        worse = self._suspicion.is_worse
        shares = f"{_share(sums.new_bad, sums.new)} against {_share(sums.old_bad, sums.old)}"
        found = "is worse" if worse else "is not proved to be worse"
        sentence = f"{title}: it {found} while both serve ({shares})"
        data = {"evidence": self._suspicion.evidence, "steps": self._steps}
        clears = "a release that is not worse, or the traffic back to the previous version"
        return expect(not worse, title, sentence, clears, rule=RULE, data=data)


def comparisons(platform: Platform) -> Mapping[str, tuple[Comparison, ...]]:
    """Return what is compared in each region: nothing where the environment has no canary."""
    canary = platform.environment.settings.canary
    wanted = canary.objectives if canary is not None else ()
    return {
        region: tuple(Comparison(platform, region, check) for check in wanted)
        for region in platform.regions
    }


def _whole(counts: Counts) -> tuple[int, int]:
    """Return bad events and events as whole numbers: a counter that begins may be extrapolated."""
    total = round(counts.total)
    return min(round(counts.bad), total), total


def _share(bad: int, total: int) -> str:
    return f"{bad / total:.2%} of {total:,}"
