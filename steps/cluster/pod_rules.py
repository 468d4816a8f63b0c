"""The images that really run in a cluster, by digest, against those that were built for the release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.kubernetes.objects import Container, Pod
from steps.cluster.clusters import Clusters, found
from steps.delivery.images import build_evidence_kind
from steps.kit.check import Check
from steps.kit.evidence import EvidenceReading, read_evidence
from steps.kit.expect import expect

Digests = Mapping[str, frozenset[str]]
"""Of each image of the release: the digests that may run."""


def released(clusters: Clusters, check: Check) -> Digests | None:
    """Return what the build's evidence says; None, and judged, where it can't be believed."""
    platform = clusters.platform
    if platform.environment.settings.evidence is None:
        check.judge_everywhere(_unknown("the environment names no evidence"))
        return None
    reading = read_evidence(platform, build_evidence_kind(platform))
    check.observe_everywhere(reading.observation)
    digests = _by_image(reading)
    if not reading.believable:
        check.judge_everywhere(_not_believed(reading))
        return None
    if clusters.section.image not in digests:
        why = f"{reading.subject} names no digest of {clusters.section.image}"
        check.judge_everywhere(_unknown(why))
        return None
    return digests


def _by_image(reading: EvidenceReading) -> Digests:
    """Return digests by image: `name@linux/arm64` is that platform's image of `name`."""
    digests: dict[str, frozenset[str]] = {}
    for artefact, digest in reading.digests.items():
        image = artefact.partition("@")[0]
        digests[image] = digests.get(image, frozenset()) | {digest}
    return digests


def judged(
    pods: Sequence[Pod], container: str, image: str, digests: Digests
) -> Iterator[Judgement]:
    """Judge the digests that run: tags and templates are intent, not fact.

    Every pod has to run the app's image in its own container; other images of the release are compared
    where a pod has them. A runtime that tells no digest of what it runs decides nothing.
    """
    if pods and not has_container(pods, container):
        yield no_container("images that run", container)
        return
    untold = [one.name for one in pods if _runs_untold(one, container)]
    if untold:
        yield _undecided(
            f"{len(untold)} pods run what their nodes tell by no registry's digest, such as "
            f"{min(untold)}, so it is not known what runs"
        )
    wrong: dict[str, int] = {}
    compared = 0
    for pod in pods:
        problems = [*_own(pod, container, image), *_others(pod, digests)]
        compared += sum(_is_known(one, digests) for one in pod.containers)
        for words in problems:
            wrong[words] = wrong.get(words, 0) + 1
    listed = [f"{words}, in {count} pods" for words, count in wrong.items()]
    if not pods:
        listed = ["no pod of the release runs, so none can be compared"]
    yield found(
        "images that run",
        listed,
        f"{compared} containers in {len(pods)} pods run the released digests",
        clears="the released digests running under the release's tags",
    )


def has_container(pods: Sequence[Pod], container: str) -> bool:
    """Return whether any of these pods has a container of that name."""
    return any(one.name == container for pod in pods for one in pod.containers)


def no_container(subject: str, container: str) -> Judgement:
    """Return the INCONCLUSIVE of a name that no pod has: the setting is as likely wrong as the release."""
    sentence = f"{subject}: no pod has a container {container}; is kubernetes.container right?"
    return expect(
        None, subject, sentence, "kubernetes.container set to the name of the app's container"
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


def _not_believed(reading: EvidenceReading) -> Judgement:
    """Say why nothing is known; what is wrong with the document itself is judged in phase 3.1."""
    bad = [one for one in reading.judgements if one.outcome is not Outcome.PASS]
    broke = any(one.outcome is Outcome.ERROR for one in bad)
    return _unknown(bad[0].sentence, Outcome.ERROR if broke else Outcome.INCONCLUSIVE)


def _unknown(why: str, outcome: Outcome = Outcome.INCONCLUSIVE) -> Judgement:
    return Judgement(
        outcome=outcome,
        rule="as wanted",
        subject="images that run",
        sentence=f"images that run: {why}, so it is not known what was released",
        clears="the image build's evidence for this release, with the app's digest",
    )


def _undecided(why: str) -> Judgement:
    return Judgement(
        outcome=Outcome.INCONCLUSIVE,
        rule="as wanted",
        subject="images that run",
        sentence=f"images that run: {why}",
        clears="pods whose images were pulled from the registry, with imageID name@sha256:… in their status",
    )
