"""One module per system: typed functions that ask under a deadline and return observations.

Probes fetch, they never judge. Client libraries log URLs, headers and statements at INFO and DEBUG;
importing this package raises their loggers to WARNING, so that no secret or patient's data reaches a log.

Client libraries take most of the time that a gate needs to start. So a check does `import probes` and
calls `probes.postgres.server_state(…)`: that loads the module, with its library, when it is first used.
"""

import importlib
import logging
import threading
import types
import typing

from probes.extras import need

_LOADING = threading.RLock()

for _name in (
    *("httpx", "httpcore", "requests", "urllib3", "psycopg", "redis", "kubernetes"),
    *("boto3", "botocore"),
):
    logging.getLogger(_name).setLevel(logging.WARNING)

__all__ = [
    "alerting",
    "audit",
    "aws",
    "axe",
    "backup",
    "browser",
    "calendar",
    "cloudwatch",
    "contract",
    "dns",
    "documents",
    "dumped",
    "fhir",
    "files",
    "forge",
    "git",
    "github",
    "gitlab",
    "grafana",
    "http",
    "jira",
    "keyboard",
    "kubernetes",
    "looks",
    "mail",
    "pagerduty",
    "pod_logs",
    "postgres",
    "prometheus",
    "redis",
    "redis_keys",
    "redis_rights",
    "rows",
    "schema",
    "sessions",
    "signatures",
    "slack",
    "statuspage",
    "tls",
    "vitals",
    "zendesk",
]

_PARTS = {
    "alerting": "prometheus.alerting",
    "axe": "browser.axe",
    "backup": "postgres.backup",
    "cloudwatch": "aws.logs",
    "dumped": "postgres.dumped",
    "github": "forge.github",
    "gitlab": "forge.gitlab",
    "jira": "forge.jira",
    "keyboard": "browser.keyboard",
    "looks": "browser.looks",
    "pod_logs": "kubernetes.logs",
    "redis_keys": "redis.keys",
    "redis_rights": "redis.rights",
    "rows": "postgres.rows",
    "schema": "postgres.schema",
    "sessions": "postgres.sessions",
    "vitals": "browser.vitals",
    "zendesk": "forge.zendesk",
}
"""Questions that lie in the folder of their system."""
_NEEDS = dict.fromkeys(("axe", "browser", "keyboard", "looks", "vitals"), "browser")
"""Probes that an extra brings the library of."""

if typing.TYPE_CHECKING:
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
        slack,
        statuspage,
        tls,
    )
    from probes.aws import logs as cloudwatch
    from probes.browser import axe, keyboard, looks, vitals
    from probes.forge import github, gitlab, jira, zendesk
    from probes.kubernetes import logs as pod_logs
    from probes.postgres import backup, dumped, rows, schema, sessions
    from probes.prometheus import alerting
    from probes.redis import keys as redis_keys
    from probes.redis import rights as redis_rights
else:

    def __getattr__(name: str) -> types.ModuleType:
        """Load a probe at its first use (PEP 562); raises AttributeError, NotInstalledError."""
        if name not in __all__:
            raise AttributeError(f"there is no probe “{name}”")
        # One at a time: their libraries share others, and where two threads import in a circle,
        # Python hands one of them a module that is only half there.
        with _LOADING:
            if name in _NEEDS:
                need(_NEEDS[name])
            return importlib.import_module(f"{__name__}.{_PARTS.get(name, name)}")
