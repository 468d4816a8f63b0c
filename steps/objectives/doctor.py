"""The doctor on Prometheus: is it there, on time, scraping the release, and does it have the metrics?"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

from probes import http, prometheus
from probes.api import MAX_ANSWER_BYTES
from probes.prometheus import Instrument
from settings.objectives import Prometheus
from steps.kit.failures import failure_of
from steps.kit.findings import Finding, Keys, Level, Subject, unreachable
from steps.objectives import promql
from steps.objectives.doctor_metrics import examine_metric
from steps.objectives.doctor_query import Asker, UnreadableError
from steps.objectives.doctor_storage import examine_storage
from steps.objectives.overlap import overlaps

_SYSTEM = "Prometheus"
_FRESH_SCRAPES = 3
_CONNECTIONS = 8
_SAME_START_SECONDS = 1.0
_START = re.compile(rb"^process_start_time_seconds (\d+(?:\.\d+)?(?:e\+?\d+)?)\s*$", re.MULTILINE)


def examine_prometheus(subject: Subject, region: str, section: Prometheus) -> list[Finding]:
    """Look at a region's Prometheus, its scrapes, the metrics of every objective and of the disks."""
    target = subject.platform.prometheus(region)
    observed = prometheus.instrument(target, deadline=subject.deadline())
    keys = Keys(f"regions.{region}.prometheus", "prometheus.ca_file", "prometheus.token")
    if observed.value is None:
        return [unreachable(subject, _SYSTEM, region, failure_of(observed), keys)]
    asker = Asker(subject, target)
    found = [_itself(subject, region, section, observed.value)]
    try:
        found.append(_scrapes(subject, region, section, asker))
        found += [
            examine_metric(subject, region, objective, asker)
            for objective in subject.platform.policy.objectives
        ]
        found += [
            examine_storage(subject, region, name, kind, asker)
            for name, kind in subject.settings.storage.items()
        ]
    except UnreadableError as exc:
        found.append(unreachable(subject, _SYSTEM, region, exc.failure, keys))
    return found


def examine_overlaps(subject: Subject) -> list[Finding]:
    """Look whether each region that is asked has series of its own."""
    return [
        Finding(_SYSTEM, None, Level.BAD, one.sentence, (one.remedy,))
        for one in overlaps(subject.settings, subject.platform.regions)
    ]


def _itself(subject: Subject, region: str, section: Prometheus, seen: Instrument) -> Finding:
    skew = seen.clock_skew_seconds
    if abs(skew) > section.max_clock_skew + seen.clock_uncertainty_seconds:
        return _bad(
            region,
            f"its clock and this machine's differ by {skew:.1f} s",
            "set both clocks (chronyc tracking on both machines)",
            f"or, if that much is right: {subject.key('prometheus.max_clock_skew', '60s')}",
        )
    if not seen.config_reload_succeeded:
        mend = "promtool check config /etc/prometheus/prometheus.yml, mend it, reload"
        return _bad(region, "runs on an old configuration: its last reload failed", mend)
    if seen.corruption_count:
        mend = "restart it and look at its log: samples may be missing"
        return _bad(region, "reports a corrupted write-ahead log", mend)
    sentence = f"version {seen.version} is ready; clocks differ by {abs(skew):.2f} s"
    return Finding(_SYSTEM, region, Level.OK, sentence)


def _bad(region: str, sentence: str, *remedy: str) -> Finding:
    return Finding(_SYSTEM, region, Level.BAD, sentence, remedy)


def _scrapes(subject: Subject, region: str, section: Prometheus, asker: Asker) -> Finding:
    labels = subject.labels(region, {"job": section.job, **section.target_labels})
    up = promql.selector("up", labels)
    series = asker.series(up)
    if not series:
        return _no_target(subject, region, up, asker)
    down = sum(1 for one in series if one.value != 1)
    if down:
        mend = f"see {up} == 0 and Status → Targets for each target's error"
        return _bad(region, f"{down} of {len(series)} targets of the API can't be scraped", mend)
    age = asker.number(f"max(time() - timestamp({up}))") or 0.0
    if age > _FRESH_SCRAPES * section.scrape_interval:
        interval = f"{section.scrape_interval:g}s"
        line = subject.key("prometheus.scrape_interval", f"that of the job (now {interval})")
        sentence = (
            f"the newest samples are {age:.0f} s old, and scrapes should come each {interval}"
        )
        return Finding(_SYSTEM, region, Level.BAD, sentence, (line,))
    instance = series[0].labels.get("instance", "")
    if _is_split(subject, instance):
        return _bad(
            region,
            f"several processes answer at {instance}, each with counters of its own: the gate would count "
            "those of one worker alone",
            "let workers share their counters (PROMETHEUS_MULTIPROC_DIR), or give each a port of its own",
            "or, if that address is a Service's: scrape its pods",
        )
    sentence = f"all {len(series)} targets of {up} are up; newest samples {age:.0f} s old"
    return Finding(_SYSTEM, region, Level.OK, sentence)


def _is_split(subject: Subject, instance: str) -> bool:
    """Return whether a target's metrics tell of several processes, over several connections at once.

    A scraper that keeps its connection meets one of them, and its samples look whole. One that this
    machine does not reach at /metrics, or that tells no start, is not known to be split.
    """
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        found = pool.map(lambda _: _process_start(subject, instance), range(_CONNECTIONS))
        starts = [one for one in found if one is not None]
    return bool(starts) and max(starts) - min(starts) > _SAME_START_SECONDS


def _process_start(subject: Subject, instance: str) -> float | None:
    try:
        target = http.HttpTarget(f"http://{instance}")
    except ValueError:
        return None
    observed = http.request(
        target, "GET", "/metrics", deadline=subject.deadline(), max_bytes=MAX_ANSWER_BYTES
    )
    told = _START.search(observed.value.body) if observed.value else None
    return float(told[1]) if told else None


def _no_target(subject: Subject, region: str, up: str, asker: Asker) -> Finding:
    jobs = sorted({one.labels.get("job", "") for one in asker.series("count by (job) (up)")})
    remedy = [subject.key("prometheus.job", f"one of {', '.join(jobs) or 'the jobs it scrapes'}")]
    described = subject.settings.regions[region].labels
    if described:
        remedy.append(f"or mend regions.{region}.labels, prometheus.target_labels: {up} is empty")
    return _bad(region, f"scrapes nothing that matches {up}", *remedy)
