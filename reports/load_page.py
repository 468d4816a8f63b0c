"""A load run as one page for people: verdict and reasons first, then everything that explains them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gates.decide.outcome import Outcome
from reports import load_charts, load_timeline, load_words
from reports.load_html import Cell, escaped, facts, items, section, table
from reports.load_record import DamagedLoadRecordError, checked
from reports.load_style import CSS
from reports.load_words import Finding

_MOST_REASONS = 12
_COMPARED = ("p50", "p99", "p99.9")
_PERCENTILE_HEADERS = tuple(f"{name} ms" for name in load_words.PERCENTILES)


def render(record: Mapping[str, Any]) -> str:
    """Return the page of a run; raises DamagedLoadRecordError."""
    try:
        known = checked(record)
        parts = "\n".join(_parts(known))
        title = escaped(f"Load test: {known['result']}")
    except (KeyError, TypeError, AttributeError, IndexError) as exc:
        raise DamagedLoadRecordError("it is damaged: a part of it cannot be read") from exc
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{CSS}</style>\n</head>\n<body>\n{parts}\n</body>\n</html>\n"
    )


def _parts(record: Mapping[str, Any]) -> Iterator[str]:
    yield _header(record)
    yield "<main>"
    yield section("Why", *_why(record))
    yield section("Stages", _stages(record))
    yield section("Second by second", *map(load_charts.draw, load_timeline.charts(record)))
    yield section("Requests", _totals(record), _endpoints(record))
    yield section("Errors", _errors(record))
    yield section("Percentile spectrum", *map(load_charts.draw, load_timeline.spectra(record)))
    yield section("Against the baseline", _baseline(record["baseline"]))
    yield section("The generator", _calibration(record["calibration"]), _workers(record))
    yield section("All judgements", _judgements(record))
    yield section("What was run, and where", *_environment(record))
    yield "</main>"


def _header(record: Mapping[str, Any]) -> str:
    result = escaped(record["result"])
    regions = "; ".join(f"{region} {one}" for region, one in record["regions"].items())
    return (
        f'<header class="{result}"><h1>{result} <small>load test, exit code '
        f"{escaped(record['exit_code'])}</small></h1>"
        f'<p class="meaning">{escaped(load_words.meaning(record))}</p>'
        f"<p>{escaped(load_words.about(record))}</p>"
        f'<p class="note">{escaped(regions)} · {escaped(record["started_at"])}</p></header>'
    )


def _why(record: Mapping[str, Any]) -> Iterator[str]:
    found = load_words.reasons(record)
    shown = found or load_words.proved(record)
    yield items(map(_reason, shown[:_MOST_REASONS]))
    if len(shown) > _MOST_REASONS:
        yield f'<p class="note">{len(shown) - _MOST_REASONS} more are under “All judgements”.</p>'
    yield from (f"<p>{escaped(remark)}</p>" for remark in load_words.remarks(record))


def _reason(one: Finding) -> tuple[str, str]:
    judged = one.judgement
    clears = (
        f' <span class="note">Clears: {escaped(judged.clears)}.</span>' if judged.clears else ""
    )
    return judged.outcome.value, (
        f'<span class="word">{escaped(_word(judged.outcome))}</span> {escaped(one.where)}: '
        f"{escaped(judged.sentence)}.{clears}"
    )


def _word(outcome: Outcome) -> str:
    return {
        Outcome.PASS: "Proved",
        Outcome.FAIL: "Failed",
        Outcome.ERROR: "Fell short",
        Outcome.INCONCLUSIVE: "Not proved",
        Outcome.NOT_APPLICABLE: "Does not apply",
    }[outcome]


def _stages(record: Mapping[str, Any]) -> str:
    regions = sorted(record["plan"]["regions"])
    rows = [
        [
            Cell(load_words.stage_label(stage), "name"),
            Cell(load_words.planned(record, stage)),
            Cell(load_words.number(stage["sent_rps"])),
            Cell(load_words.milliseconds(stage["response"].get("p50"))),
            Cell(load_words.milliseconds(stage["response"].get("p99"))),
            Cell(load_words.share(stage["failed"], stage["completed"])),
            *(_result(stage["regions"].get(region)) for region in regions),
        ]
        for stage in record["stages"]
    ]
    headers = ("stage", "planned", "sent/s", "p50 ms", "p99 ms", "failed", *regions)
    caption = "Each measured stage is judged on its own in every region."
    return table(caption, headers, rows, words=1)


def _result(result: str | None) -> Cell:
    return Cell("not judged", "faint") if result is None else Cell(result, result)


def _totals(record: Mapping[str, Any]) -> str:
    sums = record["totals"]
    return facts(
        {
            "due, sent": f"{sums['due']:,}, {sums['sent']:,}",
            "late, dropped": f"{sums['late']:,}, {sums['dropped']:,}",
            "completed, failed": f"{sums['completed']:,}, {sums['failed']:,}",
            "received": load_words.size(sums["received_bytes"]),
            "new connections": load_words.connections(sums),
            "resent on a new connection": f"{sums['resent']:,}",
        }
    )


def _endpoints(record: Mapping[str, Any]) -> str:
    headers = ("region", "endpoint", "requests", "/s", "failed", "time from", *_PERCENTILE_HEADERS)
    rows: list[list[Cell]] = []
    for row in record["endpoints"]:
        rows += _endpoint(row)
    return table(
        "Measured stages. “due” counts from the time at which a request was due, as callers feel it; "
        "“sent” from the time at which it was sent, as the platform took it.",
        headers,
        rows,
    )


def _endpoint(row: Mapping[str, Any]) -> list[list[Cell]]:
    first = [
        Cell(row["region"], "name"),
        Cell(row["endpoint"], "name"),
        Cell(f"{row['requests']:,}"),
        Cell(load_words.number(row["rps"])),
        Cell(f"{row['failed']:,}"),
        Cell("due", "name"),
        *_percentiles(row["response"]),
    ]
    again = [*(Cell("", "faint") for _ in range(5)), Cell("sent", "name faint")]
    return [first, [*again, *_percentiles(row["service"], "faint")]]


def _percentiles(values: Mapping[str, Any], look: str = "") -> list[Cell]:
    return [
        Cell(load_words.milliseconds(values.get(name)), look) for name in load_words.PERCENTILES
    ]


def _errors(record: Mapping[str, Any]) -> str:
    rows = [
        [
            Cell(row["region"], "name"),
            Cell(row["endpoint"], "name"),
            Cell(reason, "words"),
            Cell(f"{count:,}"),
            Cell(load_words.share(count, row["requests"])),
        ]
        for row in load_words.single(record["endpoints"])
        for reason, count in row["errors"].items()
    ]
    if not rows:
        return "<p>None.</p>"
    return table("By class.", ("region", "endpoint", "what", "requests", "share"), rows, words=3)


def _baseline(baseline: Mapping[str, Any] | None) -> str:
    if baseline is None:
        return '<p class="note">No earlier run was named to compare with.</p>'
    rows = [
        [
            Cell(row["region"], "name"),
            Cell(row["endpoint"], "name"),
            *(cell for name in _COMPARED for cell in _then_and_now(row[name])),
        ]
        for row in baseline["rows"]
    ]
    compared = [f"{name} {what}" for name in _COMPARED for what in ("then", "now", "ratio")]
    headers = ("region", "endpoint", *compared)
    return table(f"{load_words.baseline_remark(baseline)} Milliseconds.", headers, rows)


def _then_and_now(pair: Mapping[str, Any]) -> list[Cell]:
    return [
        Cell(load_words.milliseconds(pair["then"]), "faint"),
        Cell(load_words.milliseconds(pair["now"])),
        Cell(load_words.ratio(pair["ratio"])),
    ]


def _calibration(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return '<p class="note">Not calibrated: no run against a null server was asked for.</p>'
    cells = [Cell(f"{row['completed']:,}"), *_percentiles(row["response"])]
    return table(
        "Calibration: the same generator against a server that does nothing, on its own machine. What "
        "the platform took lies on top of this.",
        ("requests", *_PERCENTILE_HEADERS),
        [cells],
        words=0,
    )


def _workers(record: Mapping[str, Any]) -> str:
    rows = [
        [
            Cell(worker["name"], "name"),
            Cell("lost" if worker["lost"] else "whole", "FAIL" if worker["lost"] else ""),
            Cell(load_words.percent(worker["cpu_mean"])),
            Cell(load_words.percent(worker["cpu_max"])),
            Cell(load_words.milliseconds(worker["lag_max_seconds"])),
            Cell(load_words.milliseconds(worker["clock_skew_seconds"])),
            Cell(load_words.number(worker["throttled_periods"])),
            Cell(load_words.number(worker["in_flight_max"])),
            Cell(load_words.size(worker["peak_rss_bytes"])),
        ]
        for worker in record["workers"]
    ]
    headers = (
        "worker", "told", "CPU mean", "CPU most", "lag most ms", "skew ms", "throttled",
        "in flight most", "memory most",
    )  # fmt: skip
    wanted = record["expected_workers"]
    return table(f"{len(rows)} workers of {wanted} expected.", headers, rows, words=1)


def _judgements(record: Mapping[str, Any]) -> str:
    rows = [
        [
            Cell(one.judgement.outcome.value, f"name {one.judgement.outcome.value}"),
            Cell(one.where, "name"),
            Cell(one.judgement.rule, "name"),
            Cell(one.judgement.sentence, "words"),
        ]
        for one in load_words.findings(record)
    ]
    headers = ("outcome", "where", "rule", "found")
    whole = table("Everything that was judged.", headers, rows, words=4)
    return f"<details><summary>{len(rows)} judgements</summary>{whole}</details>"


def _environment(record: Mapping[str, Any]) -> Iterator[str]:
    plan = record["plan"]
    yield facts(
        {
            "command": plan["command"],
            "profile": f"{plan['profile']}, {plan['model']} model, {plan['arrivals']} arrivals",
            "seed": plan["seed"],
            **{f"address {region}": address for region, address in plan["regions"].items()},
            "began, ended": f"{record['started_at']}, {record['ended_at']}",
            **dict(_sorted(record["machine"])),
        }
    )
    yield "<h3>Versions</h3>" + facts(dict(_sorted(record["versions"])))


def _sorted(values: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    return sorted(values.items())
