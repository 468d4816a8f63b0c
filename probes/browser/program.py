"""Which program is the browser, and how it is started: it asks nobody anything by itself."""

from __future__ import annotations

import base64
import os
import pathlib
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import probes
from probes.observation import Deadline, FailureKind, FoundError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

KINDS: Final = ("chromium", "firefox", "webkit")
_HTTPS: Final = 443
_LONGEST_SECONDS: Final = 10.0
_ON_PATH: Final = (
    # First the one without windows, which nobody sees: a page takes it less processor time.
    *("chromium-headless-shell", "chrome-headless-shell"),
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    *("microsoft-edge", "microsoft-edge-stable"),
)
_FEATURES: Final = (
    # The list of the address bar: two pages of Chromium's own for each window, dearer than the site's.
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup"),
    # Playwright's own list, as of two the last one counts; its comments say why.
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades"),
    *("HttpsFirstBalancedModeAutoEnable", "LensOverlay", "MediaRouter", "PaintHolding"),
    *("ThirdPartyStoragePartitioning", "AvoidCorsURLLoaderRestartOnRedirect", "AimEnabled"),
    *("TcpPortRandomizationWin", "OptimizationHints", "NetworkTimeServiceQuerying"),
    *("PreconnectToSearch", "msForceBrowserSignIn", "msEdgeUpdateLaunchServicesPreferredVersion"),
)
_QUIET: Final = (
    f"--disable-features={','.join(_FEATURES)}",
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-domain-reliability", "--disable-default-apps", "--disable-extensions"),
    *("--disable-client-side-phishing-detection", "--no-pings", "--no-first-run"),
    # Two that these switches leave: port 9 is one that Chromium never connects to.
    *("--gaia-url=http://127.0.0.1:9", "--component-updater=url-source=http://127.0.0.1:9/"),
    # What is measured goes the way that every other probe goes: straight to the site, over TCP.
    *("--no-proxy-server", "--disable-quic"),
    # /dev/shm of a container holds 64 MB.
    "--disable-dev-shm-usage",
)
"""Chromium's own connections, which would be requests of nobody's, and what breaks in a container."""


def executable(playwright: Playwright, kind: str, wanted: str | None) -> str:
    """Return the browser's program; raises FoundError with what to do where there is none.

    Firefox and WebKit have to be Playwright's own builds; of Chromium any will do.
    """
    if wanted is not None:
        if os.access(wanted, os.X_OK):
            return wanted
        raise _no_browser(f"browser.executable names {wanted}, which is not a program here", kind)
    on_path = map(shutil.which, _ON_PATH) if kind == "chromium" else ()
    found = next((path for path in on_path if path), None)
    own = str(getattr(playwright, kind).executable_path)
    if found or os.access(own, os.X_OK):
        return found or own
    missing = f"Playwright's own build of it is not installed; run `playwright install {kind}`"
    if kind == "chromium":
        missing = (
            "none is on the PATH, and Playwright's own build is not installed; install the package "
            "chromium, run `playwright install chromium`, or name the program as browser.executable"
        )
    raise _no_browser(missing, kind)


def installed(kind: str) -> bool:
    """Return whether Playwright's own build of an engine is on this machine, without asking Playwright."""
    named = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    folder = pathlib.Path(named) if named else pathlib.Path("~/.cache/ms-playwright").expanduser()
    return any(folder.glob(f"{kind}-*"))


def launch(
    playwright: Playwright, kind: str, wanted: str | None, trusted: Sequence[str], seconds: float
) -> Browser:
    """Start the browser, which takes these keys for good; raises FoundError where it does not start."""
    program = executable(playwright, kind, wanted)
    keys = [f"--ignore-certificate-errors-spki-list={','.join(trusted)}"] if trusted else []
    # Signals are ours: the run's end closes the browser, once its records are removed.
    try:
        browser: Browser = getattr(playwright, kind).launch(
            executable_path=program,
            args=[*_QUIET, *keys] if kind == "chromium" else [],
            handle_sigint=False,
            handle_sigterm=False,
            handle_sighup=False,
            timeout=max(1.0, seconds) * 1000,
        )
    except Exception as exc:
        # Its text is pages of command line and the browser's own log.
        raise _no_browser(
            f"{program} does not start as a browser; run it by hand to see why", kind
        ) from exc
    return browser


def key_of(site: str, ca_file: str, deadline: Deadline) -> str | None:
    """Return the digest of the public key of a site's certificate; None where it is not to be trusted.

    Chromium reads its authorities from the machine alone. So the certificate is verified here, by chain,
    name and dates, under `ca_file`; its key is what the browser is told, and no other key opens anything.
    """
    parts = urlsplit(site)
    if parts.scheme != "https":
        return None
    host = parts.hostname or ""
    node = probes.tls.TlsNode(host, parts.port or _HTTPS)
    until = deadline.sooner(_LONGEST_SECONDS)
    shown = probes.tls.handshake(node, host, ca_file, deadline=until).value
    if shown is None or shown.problem is not None:
        return None  # The browser says what is wrong with it.
    return base64.b64encode(bytes.fromhex(shown.key)).decode()


def version(started: Browser) -> str:
    """Return a browser's name and version, and of Chromium whether it is the build without windows."""
    named = f"{started.browser_type.name} {started.version}"
    if started.browser_type.name != "chromium":
        return named
    session = started.new_browser_cdp_session()
    product = session.send("Browser.getVersion")["product"]
    session.detach()
    return f"{named} (headless shell)" if product.startswith("Headless") else named


def _no_browser(sentence: str, kind: str) -> FoundError:
    return FoundError(
        FailureKind.OUR_FAULT, f"There is no {kind} to look with: {sentence}.", "start"
    )
