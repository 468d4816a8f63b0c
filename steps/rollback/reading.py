"""How facts of a rollback are gathered: each with why it is not so; what can't be read is unknown."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from environments.release_file import Bound
from gates.decide.outcome import Outcome
from gates.decide.rollback.plan import PARTS, Facts
from settings.rollback import Rollback, RollbackPolicy
from steps.kit.asked import Asked, Unread
from steps.kit.baseline import Baseline, NoBaselineError
from steps.kit.check import Check
from steps.kit.platform import NotDescribedError, Platform


@dataclasses.dataclass(slots=True)
class Reading:
    """Facts while they are gathered."""

    asked: Asked
    baseline: Baseline
    release: Bound | None = None
    """None where release.yaml can't be read, which is judged."""
    _changed: dict[str, bool | None] = dataclasses.field(default_factory=dict)
    true: dict[str, bool | None] = dataclasses.field(default_factory=dict)
    _why: dict[str, str] = dataclasses.field(default_factory=dict)
    _values: dict[str, list[Mapping[str, str]]] = dataclasses.field(default_factory=dict)
    _plan: dict[str, str] = dataclasses.field(default_factory=dict)
    lost: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def platform(self) -> Platform:
        """The platform that is asked about."""
        return self.asked.platform

    @property
    def section(self) -> Rollback:
        """What the environment says of rollbacks; nothing where it has no such section."""
        return self.platform.environment.settings.rollback or Rollback()

    @property
    def previous(self) -> str:
        """The version that a rollback returns to, such as 1.1.0; raises Unread without release.yaml."""
        if self.release is None:
            raise Unread("release.yaml")
        return self.release.file.previous.removeprefix("v")

    def ask(self, names: Sequence[str], read: Callable[[Reading], None]) -> None:
        """Read some parts and facts; those that it can't say are unknown, and why is kept."""
        try:
            read(self)
        except NotDescribedError as exc:
            # Nothing here measures it; release.yaml alone says whether there is anything to take back.
            self._unknown(names, str(exc), described=False)
        except (Unread, NoBaselineError) as exc:
            self._unknown(names, f"{exc} can't be read" if isinstance(exc, Unread) else str(exc))

    def _unknown(self, names: Sequence[str], why: str, *, described: bool = True) -> None:
        for name in names:
            if name not in PARTS:
                self.fact(name, None, why)
            elif described:
                self.part(name, None, why)
            else:
                self.declared(name)

    def declared(self, part: str) -> None:
        """Note a part that nothing measures: what release.yaml says of it."""
        self.part(part, self._said(part))

    def _said(self, part: str) -> bool | None:
        """Return whether release.yaml says that a part changes; None where it can't be read."""
        changes = None if self.release is None else self.release.file.changes
        return None if changes is None else bool(changes.model_dump(by_alias=True)[part])

    def part(self, name: str, measured: bool | None, why: str = "") -> None:  # noqa: FBT001 - as a fact
        """Note whether a part of the release is in force; what release.yaml denies is unknown."""
        said = self._said(name)
        if said is None:
            measured, why = None, "release.yaml can't be read"
        elif measured and not said:
            what = name.replace("_", " ")
            why = f"release.yaml says that {what} does not change, and it did since the baseline: {why}"
            measured = None
        self._changed[name] = measured
        self._why[name] = why

    def fact(self, name: str, value: bool | None, why: str = "") -> None:  # noqa: FBT001 - as a part
        """Note a fact."""
        self.true[name] = value
        self._why[name] = why

    def put(self, each: str, *items: Mapping[str, str]) -> None:
        """Add what steps are filled with."""
        self._values.setdefault(each, []).extend(items)

    def put_plan(self, **values: str) -> None:
        """Add what every step may be filled with."""
        self._plan.update(values)

    def trial(self, judge: Callable[[Asked], object]) -> tuple[bool | None, str]:
        """Return what another check's rules say, and why it is not good; a broken instrument is judged."""
        check = Check(self.asked.check.id, self.asked.regions)
        there = dataclasses.replace(self.asked, check=check)
        there.each((there,), judge)
        noted = check.noted()[self.asked.regions[0]]
        bad = [one for one in noted.judgements if one.outcome is not Outcome.PASS]
        self.asked.judge(*(one for one in bad if one.outcome is Outcome.ERROR))
        failed = any(one.outcome is Outcome.FAIL for one in bad)
        good = True if noted.judgements and not bad else False if failed else None
        return good, "; ".join(one.sentence for one in bad)

    def facts(self, seconds_left: float | None) -> Facts:
        """Return all of them."""
        values = {each: tuple(items) for each, items in self._values.items()}
        values["plan"] = (self._plan,)
        why = {name: said for name, said in self._why.items() if said}
        return Facts(self._changed, self.true, why, seconds_left, self.lost, values)


def policy_of(platform: Platform) -> RollbackPolicy:
    """Return what the policy plans; raises NotDescribedError."""
    if platform.policy.rollback is None:
        where = platform.policy_folder
        raise NotDescribedError(f"{where} lacks the section rollback; add a rollback.yaml there")
    return platform.policy.rollback
