"""Is it the platform that is away, or the gate? Asks others before an absence may count."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterator

from probes import http
from steps.kit.platform import Platform


def witness(platform: Platform, region: str) -> str | None:
    """Return what else answers the gate right now, or None when nothing does.

    Asked are the services of the other regions, Prometheus and the vantage controls. Any HTTP
    answer will do: it proves that the gate has network. A gate without must not roll anything back.
    """
    asks = dict(_asks(platform, region))
    if not asks:
        return None
    with concurrent.futures.ThreadPoolExecutor(len(asks)) as pool:
        answers = {name: pool.submit(ask) for name, ask in asks.items()}
        return next((name for name, answer in answers.items() if answer.result()), None)


def _asks(platform: Platform, region: str) -> Iterator[tuple[str, Callable[[], bool]]]:
    settings = platform.environment.settings
    for other, described in settings.regions.items():
        if other == region:
            continue
        for service in described.services:
            yield f"{service} in {other}", _asker(platform, described.services[service], "/")
    for address in {described.prometheus for described in settings.regions.values()}:
        yield "Prometheus", _asker(platform, address, "/-/ready")
    for number, address in enumerate(settings.vantage_controls, start=1):
        yield f"vantage control {number}", _asker(platform, address, "/")


def _asker(platform: Platform, url: str, path: str) -> Callable[[], bool]:
    def ask() -> bool:
        target = http.HttpTarget(url, platform.environment.settings.ca_file)
        return (
            http.request(target, "GET", path, deadline=platform.call_deadline()).value is not None
        )

    return ask
