"""What people are told of a verdict that they did not run: three facts, and where the evidence is."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

from gates.decide.outcome import Decision
from gates.decide.verdict import Verdict
from reports import words
from reports.causes import causes_of

PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"
MOST_CHARACTERS = 1000
"""Of one fact: PagerDuty takes 1,024, Slack's section 3,000."""
_HEADER_CHARACTERS = 150
_SEVERITY = {"ROLLBACK": "critical", "STOP": "error", "NO_GO": "error", "GO": "info"}


@dataclasses.dataclass(frozen=True, slots=True)
class Notice:
    """What was decided, why, and what to do now."""

    decision: str
    headline: str
    why: str
    next: str
    run: str
    subject: str
    """Environment, release, gate and what of it: one incident of PagerDuty's for all of its runs."""
    link: str | None


def notice(verdict: Verdict, link: str | None) -> Notice:
    """Return the three facts of a verdict, each of at most `MOST_CHARACTERS`."""
    decision = words.decision_word(verdict)
    steps = words.next_steps(verdict)
    return Notice(
        # Whoever is notified of what is on hold is notified of what people made of it.
        decision=decision if verdict.overridden is None else Decision.HOLD.value,
        headline=_short(f"{decision}: {words.about(verdict)}, {words.scope(verdict)}"),
        why=_short(_why(verdict)),
        next=_short(steps[0] if steps else words.meaning(verdict)),
        run=verdict.run,
        subject=_subject(verdict),
        link=link.replace("{run}", verdict.run) if link else None,
    )


def _subject(verdict: Verdict) -> str:
    """Name what was asked: a GO of less must not end what a run of more began."""
    regions = ",".join(verdict.regions) if verdict.other_regions else None
    asked = (words.gate_name(verdict), verdict.window, verdict.at, regions)
    return "/".join([verdict.environment, verdict.release or "", *(one for one in asked if one)])


def _why(verdict: Verdict) -> str:
    found = causes_of(verdict)
    if found and verdict.overridden is None:
        first = found[0]
        owner = f" (owner: {first.owner})" if first.owner else ""
        more = f"; and {len(found) - 1} more" if len(found) > 1 else ""
        return f"{words.named(first.checks)} {words.where(first)}: {first.title}{owner}{more}"
    said = (
        *words.by_people(verdict),
        *verdict.sentences,
        *(f"Not asked: {line}" for line in words.not_asked(verdict)),
    )
    return said[0] if said else words.meaning(verdict)


def _short(text: str) -> str:
    line = words.one_line(text)
    return line if len(line) <= MOST_CHARACTERS else f"{line[: MOST_CHARACTERS - 1]}…"


def slack(told: Notice, _key: str) -> dict[str, Any]:
    """Return a message of Slack's, as plain text: nothing in it is a mention or a link but our own."""
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(told.headline[:_HEADER_CHARACTERS])},
        {"type": "section", "text": _plain(told.why)},
        {"type": "section", "text": _plain(told.next)},
    ]
    if told.link:
        button = {"type": "button", "text": _plain("Evidence"), "url": told.link}
        blocks.append({"type": "actions", "elements": [button]})
    escaped = told.headline.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": escaped, "blocks": blocks}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def teams(told: Notice, _key: str) -> dict[str, Any]:
    """Return an adaptive card; its text runs know no markup."""
    texts = [(told.headline, "Bolder"), (told.why, "Default"), (told.next, "Default")]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {
                "type": "RichTextBlock",
                "inlines": [{"type": "TextRun", "text": text, "weight": weight}],
            }
            for text, weight in texts
        ],
    }
    if told.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Evidence", "url": told.link}]
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}


def pagerduty(told: Notice, key: str) -> dict[str, Any]:
    """Return an event of PagerDuty's API v2: a GO resolves what an earlier run of the same gate began."""
    event: dict[str, Any] = {"routing_key": key, "dedup_key": f"gate/{told.subject}"[:255]}
    if told.decision == "GO":
        return {**event, "event_action": "resolve"}
    return {
        **event,
        "event_action": "trigger",
        "payload": {
            "summary": told.headline,
            "source": told.subject,
            "severity": _SEVERITY.get(told.decision, "warning"),
            "custom_details": {"why": told.why, "next": told.next, "run": told.run},
        },
        "links": [{"href": told.link, "text": "Evidence"}] if told.link else [],
    }


def webhook(told: Notice, _key: str) -> dict[str, Any]:
    """Return the facts as they are."""
    return {"type": "gate.verdict", "schema": 1, **dataclasses.asdict(told)}


PAYLOADS: Mapping[str, Callable[[Notice, str], dict[str, Any]]] = {
    "slack": slack,
    "teams": teams,
    "pagerduty": pagerduty,
    "webhook": webhook,
}


def message(kind: str, told: Notice, key: str, sent_at: int) -> tuple[bytes, dict[str, str]]:
    """Return body and headers for a receiver.

    A webhook's message is signed as standardwebhooks.com says: HMAC-SHA256 over `id.timestamp.body`. Its
    key is used as it is, or base64 behind `whsec_`; `sent_at` is in seconds since 1970.
    """
    body = json.dumps(PAYLOADS[kind](told, key), ensure_ascii=False).encode("utf-8", "replace")
    headers = {"Content-Type": "application/json"}
    if kind == "webhook":
        signed = b".".join((told.run.encode(), str(sent_at).encode(), body))
        digest = hmac.new(_secret(key), signed, hashlib.sha256).digest()
        headers |= {
            "webhook-id": told.run,
            "webhook-timestamp": str(sent_at),
            "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        }
    return body, headers


def _secret(key: str) -> bytes:
    prefix, _, coded = key.rpartition("whsec_")
    return base64.b64decode(coded) if not prefix and key.startswith("whsec_") else key.encode()
