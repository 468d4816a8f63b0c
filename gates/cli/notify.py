"""`gate notify [RUN]`: tells people of a verdict. Whether they can be reached changes no verdict."""

from __future__ import annotations

import argparse
import concurrent.futures
import time
from typing import IO

import httpx

from environments import loader
from environments.loader import Loaded
from environments.yaml_file import ConfigurationError, RequestError
from gates.cli.streams import teller
from gates.decide.outcome import EXIT_CONFIGURATION, EXIT_OUR_FAILURE, EXIT_USAGE
from gates.load import OUT
from gates.run import runs
from reports import notice
from reports.notice import Notice
from settings.people import Receiver

TRIES = 3
CALL_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 5.0
_BUSY = frozenset({408, 425, 429, *range(500, 600)})


def run(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Send a run's verdict to the receivers of its environment that want it."""
    tell = teller(stderr, "gate notify")
    try:
        verdict = runs.find(arguments.run, arguments.out or OUT).verdict()
        loaded = loader.load_file(loader.path_of(arguments.env or verdict.env))
    except (runs.UnknownRunError, RequestError) as exc:
        tell(str(exc))
        return EXIT_USAGE
    except ConfigurationError as exc:
        tell(str(exc))
        return EXIT_CONFIGURATION
    except runs.UnreadableRunError as exc:
        tell(str(exc))
        return EXIT_OUR_FAILURE
    section = loaded.settings.notify
    if section is None:
        tell(f"{loaded.settings.name} has no section notify, so there is nobody to tell; add it.")
        return EXIT_CONFIGURATION
    told = notice.notice(verdict, section.link)
    wanting = {
        name: one
        for name, one in section.receivers.items()
        if not one.decisions or told.decision in one.decisions
    }
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        failures = dict(
            zip(
                wanting,
                pool.map(lambda one: _sent(loaded, one, told), wanting.values()),
                strict=True,
            )
        )
    for name, failure in failures.items():
        stdout.write(f"{name}: {failure or 'sent'}\n")
    return EXIT_OUR_FAILURE if any(failures.values()) else 0


def _sent(loaded: Loaded, receiver: Receiver, told: Notice) -> str | None:
    """Send to one receiver; return why it has not got it. Its address is a secret and never named."""
    key = loaded.secret(receiver.key).get_secret_value() if receiver.key else ""
    url = loaded.secret(receiver.url).get_secret_value() if receiver.url else notice.PAGERDUTY
    body, headers = notice.message(receiver.kind, told, key, int(time.time()))
    failure: str | None = None
    for number in range(TRIES):
        if number:
            time.sleep(min(2.0 ** (number - 1), LONGEST_PAUSE_SECONDS))
        failure, final = _tried(url, body, headers)
        if final:
            break
    return failure


def _tried(url: str, body: bytes, headers: dict[str, str]) -> tuple[str | None, bool]:
    """Return what kept a message from its receiver, and whether another try would be of no use."""
    try:
        status = httpx.post(url, content=body, headers=headers, timeout=CALL_SECONDS).status_code
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        return "not sent: its address is not an http(s) address; correct the secret", True
    except httpx.HTTPError:
        return f"not sent: unreachable in {TRIES} tries; check the address and the network", False
    if httpx.codes.is_success(status):
        return None, True
    what = f"not sent: it answers {status}"
    if status in _BUSY:
        return f"{what} in {TRIES} tries; run gate notify again later", False
    return f"{what}; check its address and key", True
