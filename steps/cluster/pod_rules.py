"""What runs in the release's pods: its images by digest, what their logs show, and their configuration.

When the ConfigMap changed says whether pods have it: its managers' times, and the baseline. An API
server notes when a manager wrote, not when a value changed: a removed key leaves no time at all, and
an apply that changes a label alone renews the time of every value.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence

from gates.decide.judgement import Judgement, harmless
from gates.decide.outcome import Outcome
from probes.kubernetes.objects import ConfigMap, Container, LogLevels, Pod
from settings.cluster import Kubernetes
from steps.cluster.rules import Look, found, problems, states
from steps.kit.expect import expect
from steps.kit.settling import Settled

Digests = Mapping[str, frozenset[str]]
"""Of each image of the release: the digests that may run."""
_IMAGES = "images that run"


def by_image(artefacts: Mapping[str, str]) -> Digests:
    """Return digests by image: `name@linux/arm64` is that platform's image of `name`."""
    digests: dict[str, frozenset[str]] = {}
    for artefact, digest in artefacts.items():
        image = artefact.partition("@")[0]
        digests[image] = digests.get(image, frozenset()) | {digest}
    return digests


def not_believed(judgements: Iterable[Judgement]) -> Judgement:
    """Say why nothing is known; what is wrong with the document itself is judged in phase 3.1."""
    bad = [one for one in judgements if one.outcome is not Outcome.PASS]
    broke = any(one.outcome is Outcome.ERROR for one in bad)
    unknown = unknown_images(bad[0].sentence)
    return dataclasses.replace(unknown, outcome=Outcome.ERROR) if broke else unknown


def unknown_images(why: str) -> Judgement:
    """Return the INCONCLUSIVE of a release of which nobody knows what was built."""
    sentence = f"{_IMAGES}: {why}, so it is not known what was released"
    clears = "the image build's evidence for this release, with the app's digest"
    return expect(None, _IMAGES, sentence, clears, rule="as wanted")


def images_judged(
    pods: Sequence[Pod], container: str, image: str, digests: Digests
) -> Iterator[Judgement]:
    """Judge the digests that run: tags and templates are intent, not fact.

    Every pod has to run the app's image in its own container; other images of the release are compared
    where a pod has them. A runtime that tells no digest of what it runs decides nothing.
    """
    if pods and not has_container(pods, container):
        yield no_container(_IMAGES, container)
        return
    untold = [one.name for one in pods if _runs_untold(one, container)]
    if untold:
        yield expect(
            None,
            _IMAGES,
            f"{_IMAGES}: {len(untold)} pods run what their nodes report without a registry's digest, such as "
            f"{min(untold)}, so it is not known what runs",
            "pods whose images were pulled from the registry, with imageID name@sha256:… in their status",
            rule="as wanted",
        )
    wrong: dict[str, int] = {}
    compared = 0
    for pod in pods:
        compared += sum(_is_known(one, digests) for one in pod.containers)
        for words in (*_own(pod, container, image), *_others(pod, digests)):
            wrong[words] = wrong.get(words, 0) + 1
    listed = [f"{words}, in {count} pods" for words, count in wrong.items()]
    yield found(
        _IMAGES,
        listed if pods else ["no pod of the release runs, so none can be compared"],
        f"{compared} containers in {len(pods)} pods run the released digests",
        "the released digests running under the release's tags",
    )


def has_container(pods: Sequence[Pod], container: str) -> bool:
    """Return whether any of these pods has a container of that name."""
    return any(one.name == container for pod in pods for one in pod.containers)


def no_container(subject: str, container: str) -> Judgement:
    """Return the INCONCLUSIVE of a name that no pod has: the setting is as likely wrong as the release."""
    sentence = f"{subject}: no pod has a container {container}; is kubernetes.container right?"
    clears = "kubernetes.container set to the name of the app's container"
    return expect(None, subject, sentence, clears)


def _own(pod: Pod, container: str, image: str) -> Iterator[str]:
    own = next((one for one in pod.containers if one.name == container), None)
    if own is None:
        yield f"there is no container {container}"
    elif image_name(own.image) != image:
        yield f"container {container} is of {image_name(own.image)}, wanted {image}"
    elif not own.digest and not own.ready:
        yield f"container {container} runs nothing yet that could be compared"


def _runs_untold(pod: Pod, container: str) -> bool:
    return any(one.name == container and one.ready and not one.digest for one in pod.containers)


def _others(pod: Pod, digests: Digests) -> Iterator[str]:
    for one in pod.containers:
        allowed = digests.get(image_name(one.image), frozenset())
        if _is_known(one, digests) and one.digest not in allowed:
            wanted = " or ".join(map(_short, sorted(allowed)))
            name = one.image.rpartition("/")[2]
            yield f"{name} is {_short(one.digest)}, released {wanted}"


def _is_known(container: Container, digests: Digests) -> bool:
    return bool(container.digest) and image_name(container.image) in digests


def image_name(image: str) -> str:
    """Return the last part of an image's name: without registry, tag and digest."""
    return image.rpartition("/")[2].partition("@")[0].partition(":")[0]


def _short(digest: str) -> str:
    return digest[:19] + "…"


def logs_judged(subject: str, counts: LogLevels) -> Iterator[Judgement]:
    """Judge that no line is an error, and whether that can be told at all."""
    levels = ", ".join(f"{count} {level}" for level, count in sorted(counts.by_level.items()))
    where = f"in {counts.lines} lines of {counts.pods_read} pods"
    problems = [f"{levels} {where}"] if counts.errors else []
    if not counts.pods_read:
        problems = ["no pod of the release has a log yet"]
    clears = "no error in the newest lines; read them with kubectl logs"
    yield found(subject, problems, f"no error {where}", clears)
    for what, clears in logs_silent(counts):
        yield expect(None, subject, f"{subject}: {what}", clears)


def logs_silent(counts: LogLevels) -> Iterator[tuple[str, str]]:
    """Yield what can't be told, and what clears it.

    A log that is not there, empty, or read wrongly shows no error either.
    """
    clears = "every pod of the release with a log in which it says something"
    without, cut_off = counts.pods_without_log, counts.pods_cut_off
    if without and counts.pods_read:
        yield f"{len(without)} pods have none, such as {min(without)}", clears
    if counts.pods_read and not counts.lines:
        what = f"{counts.pods_read} pods have logged nothing at all"
        yield what, f"{clears}; is kubernetes.container right?"
    if cut_off:
        what = f"{len(cut_off)} pods have longer ones than are read, such as {min(cut_off)}"
        smaller = "kubernetes.logs.tail_lines made smaller"
        yield f"{what}, so their newest lines are not known", smaller
    if not counts.levelled and counts.unlevelled * 2 > counts.lines:
        what = f"{counts.unlevelled} of {counts.lines} lines are JSON without a level"
        yield what, "kubernetes.logs.level_field set to what the app calls it"


Times = Mapping[str, dt.datetime]
"""When pods or containers began, by pod."""


@dataclasses.dataclass(frozen=True, slots=True)
class ConfigBefore:
    """The app's ConfigMap as the baseline has it."""

    taken_at: dt.datetime
    changed_at: dt.datetime | None
    digest: str
    managers: str


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """From when on whoever begins has what the ConfigMap holds now."""

    at: dt.datetime | None
    """Who began earlier has something else; None where the cluster does not say it."""
    unsure: tuple[dt.datetime, dt.datetime | None] | None = None
    """Who began between these may have something else; without an end, until now."""
    why: str = "the cluster does not say when its values changed"

    def problems(self, began: Times, words: str) -> list[str]:
        """Return how many began too early; the API's times are whole seconds."""
        if self.at is None:
            return []
        early = sum(one < self.at for one in began.values())
        since = f"{self.at:%H:%M:%S} UTC"
        return [f"{early} of {len(began)} {words} the change at {since}"] if early else []

    def is_doubtful(self, began: Times) -> bool:
        """Return whether any of them may have something else."""
        return self.at is None or any(map(self._is_unsure, began.values()))

    def _is_unsure(self, began: dt.datetime) -> bool:
        if self.unsure is None:
            return False
        start, end = self.unsure
        return began >= start and (end is None or began < end)

    def doubt(self, subject: str, began: Times) -> Judgement:
        """Return the INCONCLUSIVE of who may have something else."""
        count = len(began) if self.at is None else sum(map(self._is_unsure, began.values()))
        sentence = f"{subject}: {count} of {len(began)} pods may have started with other values: {self.why}"
        clears = "kubectl apply of the ConfigMap as it is wanted, then kubectl rollout restart"
        return expect(None, subject, sentence, clears)


def change(now: ConfigMap, before: ConfigBefore | None) -> Change:
    """Return when what it holds came to be so, as far as times and digests say."""
    if before is not None and now.digest == before.digest:
        return _as_before(now, before)
    if now.changed_at is not None and now.removed:
        why = f"{', '.join(now.removed)} was removed since kubectl apply, which leaves no time"
        return Change(now.changed_at, (now.changed_at, None), why)
    if before is None or _is_later(now.changed_at, before.taken_at):
        return Change(now.changed_at)
    why = f"it differs from {_named(before)}, and no manager's time says since when"
    return Change(before.taken_at, (before.taken_at, None), why)


def _as_before(now: ConfigMap, before: ConfigBefore) -> Change:
    if not _is_later(now.changed_at, before.taken_at):
        return Change(now.changed_at)
    if now.managers == before.managers:
        return Change(before.changed_at)
    why = f"it is as in {_named(before)}, and was written by somebody else in between"
    return Change(before.changed_at, (before.taken_at, now.changed_at), why)


def _is_later(one: dt.datetime | None, other: dt.datetime) -> bool:
    return one is not None and one > other


def _named(before: ConfigBefore) -> str:
    return f"the baseline of {before.taken_at:%H:%M:%S} UTC"


def content(section: Kubernetes, config_map: ConfigMap) -> Judgement:
    """Judge that the ConfigMap holds every wanted key with its value."""
    absent = [] if config_map.found else ["it is not there"]
    return found(
        f"ConfigMap {section.config_map}",
        absent or differences(config_map.data, section.config),
        f"all {len(section.config)} wanted keys have their values",
        f"the release's {section.config_map} applied",
    )


def restarted(settled: Settled[Look], config_map: ConfigMap, changed: Change) -> Judgement:
    """Judge that the release's pods were made after the change, and all are Ready."""
    look = settled.value
    subject, pods = f"restart of {look.release_version}", look.pods(look.release)
    made = {one.name: one.created_at for one in pods if one.created_at is not None}
    wrong = [
        *_not_yet(look.section, config_map),
        *_nobody(pods),
        *changed.problems(made, "pods are older than"),
        *unsettled(settled),
    ]
    if changed.is_doubtful(made) and not wrong:
        return changed.doubt(subject, made)
    return found(
        subject,
        wrong,
        f"{len(pods)} pods replaced since the configuration changed",
        "kubectl rollout restart, and its end",
        settled.ended,
    )


def in_force(settled: Settled[Look], config_map: ConfigMap, changed: Change) -> Judgement:
    """Judge that the app's container of every pod reads the ConfigMap and started after the change."""
    look, section = settled.value, settled.value.section
    subject, pods = f"configuration of {look.release_version}", look.pods(look.release)
    if pods and not has_container(pods, section.container):
        return no_container(subject, section.container)
    began = started(pods, section.container)
    wrong = [
        *_not_yet(section, config_map),
        *unsettled(settled),
        *_nobody(pods),
        *(
            f"{one.name} does not read {section.config_map}"
            for one in pods
            if section.config_map not in one.config_maps
        ),
        *(
            f"{one.name}: no container {section.container} runs"
            for one in pods
            if one.name not in began
        ),
        *changed.problems(began, "containers started before"),
    ]
    if changed.is_doubtful(began) and not wrong:
        return changed.doubt(subject, began)
    return found(
        subject,
        wrong,
        f"{len(pods)} pods started with it",
        "every container started after the wanted configuration was there",
        settled.ended,
    )


def _not_yet(section: Kubernetes, config_map: ConfigMap) -> list[str]:
    if config_map.found and not differences(config_map.data, section.config):
        return []
    return [f"{section.config_map} does not hold the wanted configuration, so no pod can have it"]


def unsettled(settled: Settled[Look]) -> list[str]:
    """Return in words what keeps the release from running as a whole."""
    wrong = problems(states(settled.value, settled.value.release, 1))
    return [f"{words}{settled.waited}" for words in wrong]


def differences(data: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Return which wanted keys are missing or have another value; harmless values are shown."""
    return [
        f"{key} is missing"
        if key not in data
        else f"{key} is “{harmless(data[key], value)}”, wanted “{value}”"
        for key, value in wanted.items()
        if data.get(key) != value
    ]


def _nobody(pods: Sequence[Pod]) -> list[str]:
    return [] if pods else ["no pod of the release is there"]


def started(pods: Sequence[Pod], container: str) -> dict[str, dt.datetime]:
    """Return when the app's container of each pod started, where it runs."""
    return {
        one.name: each.started_at
        for one in pods
        for each in one.containers
        if each.name == container and each.started_at is not None
    }
