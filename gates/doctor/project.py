"""What `gate init FOLDER` lays out: a platform's own project, with checks and policy of its own to edit."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

from environments import loader
from gates.load import FEATURES, POLICY, ROOT

ENVIRONMENT = "environments/prod.yaml"
CHECKS = "../checks"
"""The project's checks, as its environment's file names them."""
_IGNORED = "/.gate-state/\n/.sandbox/\n/reports/out/\n"
_STEPS = '''"""Sentences of your own: each is a function that judges, used like the gate's."""

# from pytest_bdd import parsers, then
#
# from {package}steps.kit.asked import Asked
# from {package}steps.kit.expect import expect
#
#
# @then(parsers.parse("the home page says {{text}}"))
# def home_page_says(asked: Asked, text: str) -> None:
#     ...
#     asked.judge(expect(text in page, "the home page", f"it says {{page}}", "a page that says it"))
'''


def files(environment: str) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of each file of a new project; `environment` is its environment's file."""
    yield ENVIRONMENT, environment.encode()
    for name, source in _copied():
        yield name, source.read_bytes()
    package = f"{__package__}.".removesuffix("gates.doctor.")
    yield "checks/steps/own.py", _STEPS.format(package=package).encode()
    yield ".gitignore", _IGNORED.encode()


def _copied() -> Iterator[tuple[str, pathlib.Path]]:
    for kind in ("environment", "release"):
        name = f"{kind}.schema.json"
        yield f"environments/{name}", loader.FOLDER / name
    for page in ("environments.md", "platform-contract.md", "policy.md"):
        yield f"docs/{page}", ROOT / "docs" / page
    for folder, name in ((FEATURES, "features"), (POLICY, "policy")):
        for file in sorted(one for one in folder.rglob("*") if one.is_file()):
            yield f"checks/{name}/{file.relative_to(folder)}", file
