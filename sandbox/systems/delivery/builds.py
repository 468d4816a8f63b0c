"""What the platform's build makes of a version: container images and the web bundle. Pure, repeatable."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sandbox.core.layout import RELEASE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REPOSITORIES = ("unified-health-api", "unified-health-web")
MANIFEST = "build-manifest.json"
PAGE_CACHE = "no-cache"
ASSET_CACHE = "public, max-age=31536000, immutable"
_IMAGE = "application/vnd.oci.image.manifest.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_CONTENT_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript",
    "css": "text/css",
    "svg": "image/svg+xml",
    "json": "application/json",
}
WEB_FOLDER = "web"
"""Of the release repository: the web application's sources."""
_WEB = Path(__file__).parent / WEB_FOLDER
_NEW_IN_RELEASE = ("booking_new.js",)
_NAMED_BY_PAGE = re.compile(rb'(?<=src|ref)="([\w.]+)"')
_NAMED_BY_ASSET = re.compile(rb'"\./([\w.]+)"')
_ASSET_OF_PAGE = re.compile(r'(?:src|href)="/(assets/[^"]+)"')


def image_manifest(repository: str, version: str) -> str:
    """Return the OCI manifest of a repository's image."""
    parts = {
        part: f"sha256:{_sha256(f'{repository} {version} {part}'.encode())}"
        for part in ("config", "base", "application")
    }
    layers = [
        {"mediaType": _LAYER, "size": 31_457_280, "digest": parts["base"]},
        {"mediaType": _LAYER, "size": 5_242_880, "digest": parts["application"]},
    ]
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _IMAGE,
            "config": {"mediaType": _CONFIG, "size": 7023, "digest": parts["config"]},
            "layers": layers,
        }
    )


def image_digest(repository: str, version: str) -> str:
    """Return the digest under which a registry knows a repository's image."""
    return f"sha256:{_sha256(image_manifest(repository, version).encode())}"


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """One file of a web bundle."""

    content: bytes
    cache: str
    content_type: str


@functools.cache
def web_sources(version: str) -> Mapping[str, bytes]:
    """Return the web application as a version ships it: its files below WEB_FOLDER."""
    files = {file.name: file.read_bytes() for file in sorted(_WEB.glob("*.*")) if file.is_file()}
    if version == RELEASE:
        return files
    kept = {name: content for name, content in files.items() if name not in _NEW_IN_RELEASE}
    return kept | {file.name: file.read_bytes() for file in sorted((_WEB / "v1.1.0").iterdir())}


def web_files(version: str) -> Mapping[str, bytes]:
    """Return the same as the release repository has it."""
    return {f"{WEB_FOLDER}/{name}": content for name, content in web_sources(version).items()}


@functools.cache
def web_bundle(version: str, bugs: tuple[str, ...] = ()) -> Mapping[str, BuiltFile]:
    """Return every file of a version's web bundle by name, its manifest included."""
    return build_web(version, web_sources(version), bugs)


def build_web(
    version: str, sources: Mapping[str, bytes], bugs: Sequence[str] = ()
) -> Mapping[str, BuiltFile]:
    """Build the sources: a hash in the name of every file but the page, which names them all.

    A bug is somebody's mistake in the sources, from `web_bugs.yaml`; raises KeyError for an unknown one.
    """
    for bug in bugs:
        sources = _with_bug(sources, web_bugs()[bug])
    assets = _Assets(version, sources)
    page = assets.page(build_id(version))
    files = {**assets.built, "index.html": _file("index.html", page, PAGE_CACHE)}
    manifest = json.dumps(_manifest(version, files), indent=1).encode()
    return {**files, MANIFEST: _file(MANIFEST, manifest, PAGE_CACHE)}


def build_id(version: str) -> str:
    """Return the id that a version's page and manifest tell."""
    number = hashlib.sha1(f"unified-health {version}".encode(), usedforsecurity=False)
    return f"{version}-{number.hexdigest()[:7]}"


@functools.cache
def web_bugs() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """Return by bug and file what is put in a text's place; "" is a file's end."""
    file = Path(__file__).with_name("web_bugs.yaml")
    bugs: Mapping[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return bugs


def _with_bug(
    sources: Mapping[str, bytes], changes: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, bytes]:
    made = dict(sources)
    for name, texts in changes.items():
        content = made.get(name, b"").decode()
        for old, put in texts.items():
            new = put if isinstance(put, str) else put[0] * put[1]
            if old not in content:
                raise ValueError(f"{name} has no {old!r} for a bug to replace")
            content = content.replace(old, new) if old else content + new
        made[name] = content.encode()
    return made


class _Assets:
    """The files that a page is made of, built as far as somebody names them."""

    def __init__(self, version: str, sources: Mapping[str, bytes]) -> None:
        self._version = version.encode()
        self._sources = sources
        self._names: dict[str, str] = {}
        self.built: dict[str, BuiltFile] = {}

    def page(self, own_id: str) -> bytes:
        """Return the page: it fetches every module at once, not one after the other."""
        page = self._sources["index.html"].replace(b"%BUILD_ID%", own_id.encode())
        page = _NAMED_BY_PAGE.sub(lambda found: b'="/' + self._name(found[1]) + b'"', page)
        ahead = [
            f'<link rel="modulepreload" href="/{name}">\n'
            for name in sorted(self.built)
            if name.endswith(".js") and f'src="/{name}"'.encode() not in page
        ]
        return page.replace(b"</head>", "".join(ahead).encode() + b"</head>")

    def _name(self, source: bytes) -> bytes:
        """Return the name of a built file; it is built when it is named first."""
        name = source.decode()
        if name not in self._names:
            content = self._sources[name].replace(b"%VERSION%", self._version)
            content = _NAMED_BY_ASSET.sub(
                lambda found: b'"./' + self._name(found[1]).removeprefix(b"assets/") + b'"', content
            )
            stem, _, kind = name.rpartition(".")
            self._names[name] = hashed = f"assets/{stem}.{_sha256(content)[:8]}.{kind}"
            self.built[hashed] = _file(hashed, content, ASSET_CACHE)
        return self._names[name].encode()


def _manifest(version: str, files: Mapping[str, BuiltFile]) -> dict[str, object]:
    page = files["index.html"].content.decode()
    return {
        "schema": 1,
        "release": f"v{version}",
        "build_id": build_id(version),
        "files": {
            name: {
                "sha256": _sha256(file.content),
                "size": len(file.content),
                "asset": name.startswith("assets/"),
                "assets": sorted(set(_ASSET_OF_PAGE.findall(page))) if name == "index.html" else [],
            }
            for name, file in files.items()
        },
    }


def _file(name: str, content: bytes, cache: str) -> BuiltFile:
    return BuiltFile(content, cache, _CONTENT_TYPES[name.rpartition(".")[2]])


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
