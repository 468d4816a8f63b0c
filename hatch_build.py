"""Builds the wheel: all of the gate in one package, so that its folders and nobody else's meet (ADR 0040).

In the checkout imports begin at the top-level folders. Here they are written anew, each in its own line, so
that line numbers are those of the checkout. What can not be placed ends the build.
"""

from __future__ import annotations

import ast
import pathlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "unified_health_gate"
CODE = frozenset(
    {"bdd", "environments", "gates", "load", "probes", "reports", "sandbox", "settings"}
    | {"smoke", "steps"}
)
PLACES = (
    *sorted(CODE),
    *("contract", "features", "deploy/aws", "deploy/kubernetes", "deploy/postgres", "deploy/redis"),
    *(
        "docs/environments.md",
        "docs/platform-contract.md",
        "docs/policy.md",
        "conftest.py",
        "pyproject.toml",
    ),
)
LEFT_OUT = shutil.ignore_patterns(
    "__pycache__", "node_modules", "out", "dev.yaml", "staging.yaml", "prod.yaml"
)
"""Environments of the checkout hold marks to replace; an installed gate's lie in its user's project."""


class Placed(BuildHookInterface):  # type: ignore[type-arg]  # of its builder; any will do
    """Hatchling's hook; an editable install takes the checkout as it is."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Lay out the package, and have commands start there; raises SyntaxError."""
        if version == "editable":
            return
        self.made = tempfile.TemporaryDirectory(prefix="wheel-")
        root, package = pathlib.Path(self.root), pathlib.Path(self.made.name, PACKAGE)
        lay_out(root, package)
        build_data["force_include"][str(package)] = PACKAGE
        core = self.metadata.core
        for name, target in core.scripts.items():
            core.scripts[name] = f"{PACKAGE}.{target}"
        # Its options would be in every pytest of whoever installs the gate.
        core.entry_points.clear()

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 - hatchling's signature
        """Remove what was laid out."""
        if version != "editable":
            self.made.cleanup()


def lay_out(root: pathlib.Path, package: pathlib.Path) -> None:
    """Copy the product into a package and place its imports; raises SyntaxError."""
    for place in PLACES:
        copy = package / place
        copy.parent.mkdir(parents=True, exist_ok=True)
        if (root / place).is_dir():
            shutil.copytree(root / place, copy, ignore=LEFT_OUT)
        else:
            shutil.copy(root / place, copy)
    (package / "__init__.py").write_text('"""The deployment gate, as it is installed."""\n')
    for file in package.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        file.write_text(placed(text, str(file.relative_to(package)), root), encoding="utf-8")


def placed(text: str, file: str, root: pathlib.Path) -> str:
    """Return a module with its imports placed; raises SyntaxError for one that can not be."""
    lines = text.splitlines(keepends=True)
    nodes = list(ast.walk(ast.parse(text)))
    begun = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in (one for one in nodes if id(one) not in begun):
        for line, old, new in _changes(node, file, root):
            if old not in lines[line - 1]:
                raise SyntaxError(f"{file}:{line}: “{old}” does not stand in one line")
            lines[line - 1] = lines[line - 1].replace(old, new, 1)
    return "".join(lines)


def _changes(node: ast.AST, file: str, root: pathlib.Path) -> Iterator[tuple[int, str, str]]:
    match node:
        case ast.ImportFrom(module=str(module), level=0) if _ours(module):
            yield node.lineno, f"from {module} import", f"from {PACKAGE}.{module} import"
        case ast.Import(names=names) if any(_ours(one.name) for one in names):
            (name,) = [one.name for one in names] if len(names) == 1 else [""]
            if name not in CODE or names[0].asname:
                raise SyntaxError(f"{file}:{node.lineno}: write it as “from … import …”")
            yield node.lineno, f"import {name}", f"from {PACKAGE} import {name}"
        case ast.Constant(value=str(name)) if _names_a_module(name, root):
            raise SyntaxError(f"{file}:{node.lineno}: “{name}”: make it from __package__")


def _ours(module: str) -> bool:
    return module.partition(".")[0] in CODE


def _names_a_module(name: str, root: pathlib.Path) -> bool:
    """Return whether a text names a module or imports from one, which would be another one when installed."""
    imported = re.search(r"\bfrom ([\w.]+) import\b", name)
    if imported is not None:
        return _ours(imported[1])
    if not (re.fullmatch(r"\w+(\.\w+)+", name) and _ours(name)):
        return False
    path = root.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()
