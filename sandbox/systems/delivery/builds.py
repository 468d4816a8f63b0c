"""What the platform's build makes of a version: container images and the web bundle. Pure, repeatable."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def commit(version: str) -> str:
    """Return the commit that a version is built from."""
    return hashlib.sha1(f"unified-health {version}".encode(), usedforsecurity=False).hexdigest()


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


def web_bundle(version: str) -> Mapping[str, BuiltFile]:
    """Return every file of a version's web bundle by name, its manifest included."""
    assets = dict(
        _asset(name, content)
        for name, content in (
            ("app.js", f"export const version = {version!r};\n" + "/* application */\n" * 200),
            ("vendor.js", "export const vendor = 1;\n" + "/* libraries */\n" * 400),
            ("main.css", f"body {{ font-family: sans-serif }} /* {version} */\n"),
            ("logo.svg", '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h8v8z"/></svg>'),
        )
    )
    files = {**assets, "index.html": _file("index.html", _page(version, list(assets)), PAGE_CACHE)}
    manifest = json.dumps(_manifest(version, files), indent=1).encode()
    return {**files, MANIFEST: _file(MANIFEST, manifest, PAGE_CACHE)}


def build_id(version: str) -> str:
    """Return the id that a version's page and manifest tell."""
    return f"{version}-{commit(version)[:7]}"


def _page(version: str, assets: list[str]) -> bytes:
    tags = {
        "js": '<script type="module" src="/{}"></script>',
        "css": '<link rel="stylesheet" href="/{}">',
        "svg": '<link rel="icon" href="/{}">',
    }
    head = "\n".join(tags[name.rpartition(".")[2]].format(name) for name in assets)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta name="build-id" content="{build_id(version)}">\n<title>Unified Health</title>\n'
        f'{head}\n</head><body><div id="root"></div></body></html>\n'
    ).encode()


def _manifest(version: str, files: Mapping[str, BuiltFile]) -> dict[str, object]:
    assets = sorted(name for name in files if name.startswith("assets/"))
    return {
        "schema": 1,
        "release": f"v{version}",
        "build_id": build_id(version),
        "files": {
            name: {
                "sha256": _sha256(file.content),
                "size": len(file.content),
                "asset": name in assets,
                "assets": assets if name == "index.html" else [],
            }
            for name, file in files.items()
        },
    }


def _asset(name: str, content: str) -> tuple[str, BuiltFile]:
    stem, _, kind = name.rpartition(".")
    data = content.encode()
    hashed = f"assets/{stem}.{_sha256(data)[:8]}.{kind}"
    return hashed, _file(hashed, data, ASSET_CACHE)


def _file(name: str, content: bytes, cache: str) -> BuiltFile:
    return BuiltFile(content, cache, _CONTENT_TYPES[name.rpartition(".")[2]])


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
