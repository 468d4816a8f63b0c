"""What people were told: Slack's channels and what was posted there; a public status page.

Of Slack also whether the gate's app may write. The page is read over Statuspage's own API (`/api/v2`),
which needs no login.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from urllib.parse import urlencode

from pydantic import SecretStr

from probes import api
from probes.http import HttpTarget, bearer
from probes.observation import Deadline, Observation

_PAGE = 999
"""The most that Slack allows: it answers this question twenty times a minute at most."""
_MESSAGES = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Channels:
    """One page of the workspace's channels."""

    writable: Mapping[str, bool] = dataclasses.field(repr=False)
    """Name → whether it is open and the app a member."""
    next_page: str = ""

    def facts(self) -> Mapping[str, object]:
        """Return how many there are: channels' names are the workspace's own business."""
        return {"channels": len(self.writable)}


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """What was said at a time; its words never leave this object."""

    at: dt.datetime
    text: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Messages:
    """One page of a channel's messages, the newest first."""

    messages: tuple[Message, ...]
    next_page: str = ""

    def facts(self) -> Mapping[str, object]:
        """Return how many there are."""
        return {"messages": len(self.messages)}


_REFUSALS = (
    *("account_inactive", "channel_not_found", "invalid_auth", "missing_scope", "not_authed"),
    *("ratelimited", "not_in_channel", "token_expired", "token_revoked"),
)


def target(url: str, token: SecretStr, ca_file: str | None = None) -> HttpTarget:
    """Return Slack's Web API with the app's token."""
    return HttpTarget(url.rstrip("/"), ca_file, bearer(token))


def channels(target: HttpTarget, page: str, *, deadline: Deadline) -> Observation[Channels]:
    """Read a page of channels, the first one for an empty `page`."""
    asked = {"exclude_archived": "false", "limit": _PAGE, "types": "public_channel,private_channel"}
    path = f"/conversations.list?{urlencode({**asked, 'cursor': page})}"
    return api.read(target, path, _channels, probe="slack", deadline=deadline)


def messages(
    target: HttpTarget, channel_id: str, since: dt.datetime, page: str, *, deadline: Deadline
) -> Observation[Messages]:
    """Read a page of what was posted in a channel since a time, the first page for an empty `page`."""
    asked = {"channel": channel_id, "oldest": f"{since.timestamp():.6f}", "limit": _MESSAGES}
    path = f"/conversations.history?{urlencode({**asked, 'cursor': page})}"
    return api.read(target, path, _messages, probe="slack", deadline=deadline)


def _messages(body: object) -> Messages:
    answer = _accepted(body)
    found = api.mappings(answer.get("messages"), "messages", "a message")
    return Messages(
        tuple(Message(_time(one.get("ts")), str(one.get("text") or "")) for one in found),
        _next_page(answer),
    )


def _time(stamp: object) -> dt.datetime:
    """Return the time in a message's id, which is its seconds since 1970."""
    try:
        return dt.datetime.fromtimestamp(float(api.text(stamp, "a message's ts")), dt.UTC)
    except (ValueError, OverflowError, OSError):
        raise api.UnusableAnswerError("A message's ts is not a time.") from None


def _accepted(body: object) -> Mapping[str, object]:
    answer = api.mapping(body, "the answer")
    if answer.get("ok") is not True:
        # It says no with a status of 200.
        error = answer.get("error")
        known = error if error in _REFUSALS else "another reason"
        raise api.UnusableAnswerError(f"Slack refuses the gate's token: {known}.")
    return answer


def _next_page(answer: Mapping[str, object]) -> str:
    more = answer.get("response_metadata")
    return str(more.get("next_cursor") or "") if isinstance(more, Mapping) else ""


def _channels(body: object) -> Channels:
    answer = _accepted(body)
    found = api.mappings(answer.get("channels"), "channels", "a channel")
    return Channels(
        {
            api.text(one.get("name"), "a channel's name"): (
                not one.get("is_archived") and one.get("is_member") is True
            )
            for one in found
        },
        _next_page(answer),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Incident:
    """One incident as the page shows it."""

    name: str = dataclasses.field(repr=False)
    status: str
    """investigating, identified, monitoring, resolved or postmortem; scheduled ones are no incidents."""
    updates: tuple[Message, ...]
    """What was said of it, and when."""


@dataclasses.dataclass(frozen=True, slots=True)
class Incidents:
    """The page's newest incidents, at most fifty."""

    incidents: tuple[Incident, ...]

    def facts(self) -> Mapping[str, object]:
        """Return how many there are, and the status of each."""
        return {"incidents": [one.status for one in self.incidents]}


def incidents(target: HttpTarget, *, deadline: Deadline) -> Observation[Incidents]:
    """Read the newest incidents with all that was said of each."""
    path = "/api/v2/incidents.json"
    return api.read(target, path, _incidents, probe="statuspage", deadline=deadline)


def _incidents(body: object) -> Incidents:
    listed = api.mapping(body, "the answer").get("incidents")
    return Incidents(tuple(map(_incident, api.mappings(listed, "incidents", "an incident"))))


def _incident(one: Mapping[str, object]) -> Incident:
    updates = api.mappings(one.get("incident_updates"), "incident_updates", "an update")
    return Incident(
        str(one.get("name") or ""),
        api.text(one.get("status"), "an incident's status"),
        tuple(Message(_at(each), str(each.get("body") or "")) for each in updates),
    )


def _at(update: Mapping[str, object]) -> dt.datetime:
    said = update.get("display_at") or update.get("created_at")
    return api.time(said, "an update's time")
