"""What runs in the release's pods: its images by digest, and what their logs show."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.kubernetes.objects import Container, LogLevels, Pod
from steps.cluster.rules import found
from steps.kit.expect import expect

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
    return expect(
        None,
        _IMAGES,
        f"{_IMAGES}: {why}, so it is not known what was released",
        "the image build's evidence for this release, with the app's digest",
        rule="as wanted",
    )


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
    return expect(
        None,
        subject,
        f"{subject}: no pod has a container {container}; is kubernetes.container right?",
        "kubernetes.container set to the name of the app's container",
    )


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
