"""Slack: whether the release's channels are there and the gate's app may write to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from urllib.parse import urlencode

from pydantic import SecretStr

from probes import api
from probes.http import HttpTarget, bearer
from probes.observation import Deadline, Observation

_PAGE = 999
"""The most that Slack allows: it answers this question twenty times a minute at most."""


@dataclasses.dataclass(frozen=True, slots=True)
class Channels:
    """One page of the workspace's channels."""

    writable: Mapping[str, bool] = dataclasses.field(repr=False)
    """Name → whether it is open and the app a member."""
    next_page: str = ""

    def facts(self) -> Mapping[str, object]:
        """Return how many there are: channels' names are the workspace's own business."""
        return {"channels": len(self.writable)}


class RefusedError(api.UnusableAnswerError):
    """Slack says no with a status of 200; the text holds its error's name."""


def target(url: str, token: SecretStr, ca_file: str | None = None) -> HttpTarget:
    """Return Slack's Web API with the app's token."""
    return HttpTarget(url.rstrip("/"), ca_file, bearer(token))


def channels(target: HttpTarget, page: str, *, deadline: Deadline) -> Observation[Channels]:
    """Read a page of channels, the first one for an empty `page`."""
    asked = {"exclude_archived": "false", "limit": _PAGE, "types": "public_channel,private_channel"}
    path = f"/conversations.list?{urlencode({**asked, 'cursor': page})}"
    return api.read(target, path, _channels, probe="slack", deadline=deadline)


def _channels(body: object) -> Channels:
    answer = api.mapping(body, "the answer")
    if answer.get("ok") is not True:
        error = answer.get("error")
        known = error if error in _REFUSALS else "another reason"
        raise RefusedError(f"Slack refuses the gate's token: {known}.")
    found = api.mappings(answer.get("channels"), "channels", "a channel")
    more = answer.get("response_metadata")
    return Channels(
        {
            api.text(one.get("name"), "a channel's name"): (
                not one.get("is_archived") and one.get("is_member") is True
            )
            for one in found
        },
        str(more.get("next_cursor") or "") if isinstance(more, Mapping) else "",
    )


_REFUSALS = (
    *("account_inactive", "invalid_auth", "missing_scope", "not_authed", "ratelimited"),
    *("token_expired", "token_revoked"),
)
