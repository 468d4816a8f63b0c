"""Users of the platform: each registers, signs in, books, pays and has a video call, in every region.

They are no synthetic patients: what they do is the traffic and the business that the first hour is judged by.
Whoever is refused a step goes on with what an earlier user was given, so that one broken step stops no other.
`users-cap.json`, `{"rate": 0.1}`, limits them; it is looked at before each user.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import http.client
import json
import math
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CAP_FILE = "users-cap.json"
_PASSWORD = "as safe as it is made up"  # noqa: S105 - of accounts that are gone with the platform
_ANSWER_SECONDS = 5.0
_IDLE_SECONDS = 0.2
_AT_ONCE = 8
"""Of each region: at 2 a second, each may take 4 seconds."""
_GOOD = range(200, 300)


def come(regions: Mapping[str, str], rate: float, seconds: float, cap: Path) -> None:
    """Let so many users a second come to the address of each region, several at once, for so long."""
    begins_at = time.monotonic()
    threads = [
        threading.Thread(
            target=_desk,
            args=(address, rate, (begins_at + number / rate, begins_at + seconds), cap),
            daemon=True,
        )
        for address in regions.values()
        for number in range(_AT_ONCE)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _desk(address: str, rate: float, times: tuple[float, float], cap: Path) -> None:
    """Send one user after the other on a schedule that does not drift; those that are late are let go."""
    users, (first, ends_at) = _Users(address), times
    last = first - _AT_ONCE / rate
    while (now := time.monotonic()) < ends_at:
        allowed = min(rate, _cap(cap)) / _AT_ONCE
        due = last + 1 / allowed if allowed > 0 else math.inf
        if now < due:
            time.sleep(min(_IDLE_SECONDS, due - now))
            continue
        last = max(due, now - 1 / allowed)
        users.comes()


def _cap(file: Path) -> float:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return float(json.loads(file.read_bytes())["rate"])
    return math.inf


class _Users:
    """The users of one region, and what the last one who was served was given."""

    def __init__(self, address: str) -> None:
        self._netloc = urlsplit(address).netloc
        self._who: dict[str, str] = {}
        self._token = self._appointment = self._payer = self._call = ""

    def comes(self) -> None:
        """Let one more user come."""
        who = {"email": f"{uuid.uuid4().hex}@patients.example.org", "password": _PASSWORD}
        if self._ask("POST", "/v1/auth/register", {**who, "role": "patient"}):
            self._who = who
        self._token = self._ask("POST", "/v1/auth/login", self._who).get("token", self._token)
        self._ask("GET", "/v1/providers/1")
        date = dt.datetime.now(dt.UTC) + dt.timedelta(days=7)
        wish = {"providerId": "1", "date": date.isoformat()}
        if booked := self._ask("POST", "/v1/appointments", wish):
            self._appointment, self._payer = booked["id"], self._token
        # Who has no appointment leaves these steps to the last one who has.
        self._token, of = self._payer, {"appointmentId": self._appointment}
        paid = {**of, "amountCents": 5000, "currency": "EUR", "mode": "test"}
        self._ask("POST", "/v1/payments", paid)
        self._call = self._ask("POST", "/v1/video/calls", of).get("id", self._call)
        self._ask("DELETE", f"/v1/video/calls/{self._call}")

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return what a good answer says, nothing of any other."""
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        connection = http.client.HTTPConnection(self._netloc, timeout=_ANSWER_SECONDS)
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            told = json.loads(answer.read() or b"{}")
            return dict(told) if answer.status in _GOOD else {}
        except (OSError, http.client.HTTPException, ValueError):
            return {}
        finally:
            connection.close()
