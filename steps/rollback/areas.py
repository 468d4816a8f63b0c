"""What each area says of the way back: what of the release is in force, and how it was before."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import probes
from gates.decide.release import Release
from probes.kubernetes.objects import Deployment
from settings.delivery import Frontend, Images
from settings.flags import Flags
from settings.network import Dns
from steps.cluster.clusters import DEPLOYMENTS, Clusters
from steps.cluster.rules import Look
from steps.delivery import reading as delivery
from steps.flags import reading as flags_reading
from steps.kit.asked import Asked, Unread
from steps.kit.expect import need
from steps.kit.failures import instrument_error
from steps.network.reading import Zone
from steps.network.rules import question
from steps.rollback.reading import Reading

_NOTHING = flags_reading.NOTHING.shown


def flags(reading: Reading) -> None:
    """Which flags hold another value than before, by both keys of each."""
    section, platform = reading.platform.section(Flags), reading.platform
    before = reading.baseline.of("feature flags", platform.regions[0])
    held = reading.asked.read(
        "the flags in Redis", lambda: flags_reading.look(platform), flags_reading.unread
    ).facts()
    keys = flags_reading.keys_of(section, flags_reading.flags_of(section))
    other = [key for key in keys if held.get(key) != before.get(key)]
    reading.part("flags", bool(other), ", ".join(other))
    shown = {key: str(was) for key, was in before.items()}
    # A value that evidence may not show is told by its length alone.
    hidden = {key for key, was in shown.items() if was.startswith("<") and was != _NOTHING}
    lost = [key for key in other if key not in shown or key in hidden]
    why = f"the baseline does not hold what {', '.join(lost)} was" if lost else ""
    reading.fact("flags before", not lost, why)
    for key in (one for one in other if one not in lost):
        words = ("DEL", key) if shown[key] == _NOTHING else ("SET", key, shown[key])
        server = need(platform.environment.settings.redis, "redis").cli
        named = {"redis": server, "order": shlex.join(words), "key": key, "now": str(held[key])}
        reading.put("flag", named)


def code(clusters: Clusters, reading: Reading) -> None:
    """Whether pods of the release run or have the traffic, and whether those before can come back."""
    looks, release = _looks(clusters, reading.asked), clusters.release_version
    before = clusters.version_of(Release.parse(reading.previous))
    live, problems = [], list[str]()
    for region, look in looks.items():
        runs = any(one.wanted for one in look.deployments((release,)))
        live += [region] if runs or release in look.live_versions else []
        facts = reading.baseline.of(DEPLOYMENTS, region)
        cluster = _cluster(reading, clusters, region, facts)
        problems += _workloads(reading, look, facts["deployments"], cluster, before)
        if not facts["selector"]:
            problems.append(f"the baseline has no selector of the Service in {region}")
    reading.part("code", bool(live), f"pods of {release} run in {', '.join(live)}")
    reading.fact("old workload", not problems, "; ".join(problems))


def _looks(clusters: Clusters, asked: Asked) -> dict[str, Look]:
    """Return one look at every region's cluster; raises Unread where one can't be read."""
    found: dict[str, Look] = {}

    def look(here: Asked) -> None:
        found[here.region] = clusters.looked_at(here)

    clusters.in_each_region(asked, look)
    if missing := set(asked.regions) - set(found):
        raise Unread(f"the cluster of {', '.join(sorted(missing))}")
    return {region: found[region] for region in asked.regions}


def _cluster(
    reading: Reading, clusters: Clusters, region: str, facts: Mapping[str, Any]
) -> dict[str, str]:
    context = reading.section.contexts.get(region)
    where = ["--context", context] if context else ["--server", clusters.cluster(region).server]
    section, selector = clusters.section, dict(facts["selector"])
    patch = [{"op": "replace", "path": "/spec/selector", "value": selector}]
    values = {
        "region": region,
        "kubectl": shlex.join(["kubectl", *where, "-n", section.namespace]),
        "service": shlex.quote(section.service),
        "selector": shlex.quote(json.dumps(patch)),
        "pods": shlex.quote(_labels(section.app_labels)),
    }
    reading.put("cluster", values)
    return values


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in labels.items())


def _workloads(
    reading: Reading,
    look: Look,
    facts: Mapping[str, Mapping[str, Any]],
    cluster: Mapping[str, str],
    before: str,
) -> Iterator[str]:
    """Note what runs and what has to run again; yield why a workload can't come back."""
    now = {one.name: one for one in look.workload.deployments}
    old = {name: was for name, was in facts.items() if was["replicas"]}
    region, label = cluster["region"], look.section.version_label
    for name, one in now.items():
        pods = _labels({**look.section.app_labels, label: str(one.version)})
        values = {**_workload(one, cluster, {}), "pods": shlex.quote(pods)}
        reading.put("running", *([values] if one.wanted else []))
        reading.put("release", *([values] if name not in old and one.wanted else []))
    if not old:
        yield f"the baseline has no running workload in {region}"
    for name, was in old.items():
        if was["version"] != before:
            yield f"in {region} {name} was {was['version']} before, and release.yaml replaces {before}"
        elif name not in now:
            yield f"{name} of the baseline is gone in {region}"
        elif now[name].version == was["version"]:
            reading.put("kept", _workload(now[name], cluster, was))
        elif not str(was["revision"]).isdecimal():
            yield f"the baseline has no revision by number of {name} in {region}"
        else:
            reading.put("replaced", _workload(now[name], cluster, was))


def _workload(
    one: Deployment, cluster: Mapping[str, str], was: Mapping[str, Any]
) -> dict[str, str]:
    return {
        **cluster,
        "workload": shlex.quote(f"{one.kind.lower()}/{one.name}"),
        "replicas": str(was.get("replicas", "")),
        "revision": shlex.quote(str(was.get("revision", ""))),
        "version": str(was.get("version", "")),
        "digests": ", ".join(was.get("digests", {}).values()),
    }


def images(reading: Reading) -> None:
    """Whether the images of the version before are still in the registry, as they were."""
    section, platform = reading.platform.section(Images), reading.platform
    before = reading.baseline.of(delivery.IMAGES, platform.regions[0])
    tag = section.tag.replace("{release}", reading.previous)
    problems = []
    for repository in section.repositories:
        found = registry_image(reading.asked, repository, tag).digest
        if found is None:
            problems.append(f"{repository}:{tag} is not in the registry")
        elif found != (before.get(repository) or {}).get(tag):
            problems.append(f"{repository}:{tag} is not the baseline's image")
    reading.fact("old image", not problems, "; ".join(problems))


def registry_image(asked: Asked, repository: str, tag: str) -> probes.aws.RegistryImage:
    """Return where a tag of a repository leads; raises Unread."""
    section = asked.platform.section(Images)
    return asked.read(
        f"registry, {repository}:{tag}",
        lambda: probes.aws.image(
            delivery.aws_target(asked.platform),
            repository,
            tag,
            deadline=asked.platform.call_deadline(),
            registry_id=section.registry_id,
        ),
    )


def records(reading: Reading) -> None:
    """Which records say something else than before, and what puts them back."""
    platform, zone = reading.platform, Zone.of(reading.platform)
    before = reading.baseline.of("DNS records", platform.regions[0])
    section, other, unknown = platform.section(Dns), [], []
    answers = _answers(reading.asked, zone)
    for record in section.records:
        name = str(question(record))
        was = before.get(name, {})
        if answers[name] != sorted(was.get("values", ())):
            other.append((record.name, record.type, was))
            unknown += [] if was.get("values") and was.get("ttl_seconds") else [name]
    reading.part("dns", bool(other), ", ".join(f"{name} {kind}" for name, kind, _ in other))
    why = f"the baseline does not hold what {', '.join(unknown)} was" if unknown else ""
    if reading.section.hosted_zone is None:
        why = "the environment lacks rollback.hosted_zone; add it"
    reading.fact("records before", not why, why)
    batch = {"Changes": [_change(*one) for one in other]}
    hosted, words = reading.section.hosted_zone or "", shlex.quote(json.dumps(batch))
    reading.put("records", {"hosted_zone": shlex.quote(hosted), "batch": words})


def _change(name: str, kind: str, was: Mapping[str, Any]) -> dict[str, Any]:
    values = [{"Value": value} for value in was.get("values", ())]
    record = {"Name": name, "Type": kind, "TTL": was.get("ttl_seconds")}
    return {"Action": "UPSERT", "ResourceRecordSet": {**record, "ResourceRecords": values}}


def _answers(asked: Asked, zone: Zone) -> dict[str, list[str]]:
    """Return what the zone says of each record; raises Unread where a server can't be read."""
    found: dict[str, list[str]] = {}
    for (server, one), seen in zone.ask(zone.section.authoritative).items():
        asked.keep(seen)
        if seen.value is None:
            asked.judge(instrument_error(f"{server}, {one}", need(seen.failure, "a failure")))
            raise Unread(f"{one} at {server}")
        # A baseline keeps no text.
        values = sorted(value for value in seen.value.values if not value.startswith('"'))
        if found.setdefault(str(one), values) != values and one.type != "SOA":
            raise Unread(f"{one}, of which the servers say different things,")
    return found


def configuration(clusters: Clusters, reading: Reading) -> None:
    """Whether a region's ConfigMap is another than before."""
    other: list[str] = []
    for region in reading.platform.regions:
        here = Asked(reading.platform, reading.asked.check, (region,))
        found = here.read(f"the ConfigMap of {region}", partial(clusters.config_map, region))
        if found.digest != reading.baseline.of(DEPLOYMENTS, region)["config"]["digest"]:
            other.append(region)
    reading.part("configuration", bool(other), f"the ConfigMap in {', '.join(other)}")


def assets(reading: Reading) -> None:
    """Whether the bucket holds another build of the web application than before."""
    platform = reading.platform
    platform.section(Frontend)
    before = reading.baseline.of(delivery.BUILD, platform.regions[0])
    data = reading.asked.read("the web build", lambda: delivery.content(platform)).content
    now = None if data is None else f"sha256:{hashlib.sha256(data).hexdigest()}"
    reading.part("assets", now != (before or {}).get("digest"), "the bucket holds another build")


def commands(reading: Reading) -> None:
    """Note the environment's commands for what the runbook has no method for."""
    for key in ("configuration", "assets", "alert_rules"):
        command = getattr(reading.section, key)
        why = f"the runbook has no method, and the environment lacks rollback.{key}; add it"
        fact = f"{key.replace('_', ' ')} before"
        reading.fact(fact, command is not None, "" if command else why)
        if command is not None and reading.release is not None:
            reading.put_plan(**{key: command.replace("{previous}", reading.previous)})
