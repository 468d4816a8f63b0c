"""One test for each operation of the served document, for people who run pytest by hand."""

from __future__ import annotations

from gates.decide.outcome import Outcome
from probes.contract import READS, Described
from probes.observation import Observation
from steps.contract import rules
from steps.contract.passes import SUBJECT, CannotAskError, Mode, Passes, Tried
from steps.kit.failures import failure_of
from steps.kit.run import Run


class NotKept(AssertionError):  # noqa: N818 - a finding
    """What an operation promises and does not keep, or what could not be decided of it."""


class NotAsked(Exception):  # noqa: N818 - no finding and no error
    """Why an operation is not asked here."""


def listed(run: Run) -> tuple[str, ...]:
    """Return the operations that the regions' documents name; raises NotKept where there are none."""
    passes, found = run.shared(Passes), dict[str, None]()
    for region in run.platform.regions:
        try:
            content = passes.whole(region)
        except CannotAskError as exc:
            said = "; ".join(one.sentence for one in exc.judgements)
            raise NotKept(f"{region}: {said}") from exc
        described = passes.described(content)
        if described.value is None or described.value.unfit is not None:
            raise NotKept(f"{region}: {_unfit(described)}")
        found |= dict.fromkeys(described.value.operations)
    return tuple(found)


def _unfit(described: Observation[Described]) -> str:
    unfit = described.value.unfit if described.value else None
    why = unfit.sentence if unfit else failure_of(described).detail
    return f"{SUBJECT} can't be tested: {why}"


def test(run: Run, operation: str) -> None:
    """Hold one operation against its document in every region; raises NotKept and NotAsked."""
    passes = run.shared(Passes)
    section = passes.section
    if operation in section.leave_out:
        raise NotAsked(f"contract.leave_out: {section.leave_out[operation]}")
    if not section.writes and operation.partition(" ")[0] not in READS:
        raise NotAsked("contract.writes is false here: only GET and HEAD are sent")
    mode: Mode = "full" if section.writes else "read"
    said = [
        f"{region}: {sentence}"
        for region, tried in passes.of(mode).items()
        for sentence in _said(operation, tried)
    ]
    if said:
        raise NotKept("\n".join(said))


def _said(operation: str, tried: Tried) -> list[str]:
    answers = tried.answers
    if answers is None:
        return [one.sentence for one in tried.judgements]
    if operation not in answers.asked:
        return [f"{operation} is not in this region's document"]
    outcome, sentence = rules.of_operation(operation, answers, tried.found)
    return [] if outcome is Outcome.PASS else [f"{outcome.value}: {sentence}"]
