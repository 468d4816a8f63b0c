"""`./harness size`: the size of this repository, by the numbers that are its budget."""

from __future__ import annotations

import ast
import collections
import pathlib
import statistics
import sys
from collections.abc import Iterable, Iterator

from gates.load import ROOT, load_catalogue

TESTS = frozenset({"tests", "examples"})
CHECKS = frozenset({"steps"})
"""What a check itself is made of, beside its feature and its row of the catalogue."""
_NOT_OURS = frozenset({".venv", ".git", "build", "out"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> list[pathlib.Path]:
    """Return all Python files of the checkout."""
    found = ROOT.rglob("*.py")
    return sorted(one for one in found if not _NOT_OURS.intersection(one.relative_to(ROOT).parts))


def functions(path: pathlib.Path) -> Iterator[tuple[Function, int]]:
    """Yield the functions of a file with their lines, those of the docstring apart."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            described = len((ast.get_docstring(node, clean=False) or "").splitlines())
            yield node, (node.end_lineno or node.lineno) - node.lineno + 1 - described


def folders(paths: Iterable[pathlib.Path]) -> collections.Counter[str]:
    """Return how many modules each folder has, `__init__.py` apart."""
    named = (one for one in paths if one.name != "__init__.py")
    return collections.Counter(one.parent.relative_to(ROOT).as_posix() for one in named)


def only_importers(paths: Iterable[pathlib.Path]) -> dict[str, str]:
    """Return the modules that exactly one other imports, each with that one."""
    known = {_name(path): path for path in paths}
    importers: dict[str, set[str]] = collections.defaultdict(set)
    for name, path in known.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for imported in _imported(node) & known.keys() - {name}:
                importers[imported].add(name)
    return {name: next(iter(found)) for name, found in importers.items() if len(found) == 1}


def _imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {one.name for one in node.names}
    if isinstance(node, ast.ImportFrom) and node.module:
        return {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
    return set()


def _name(path: pathlib.Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _lines(paths: Iterable[pathlib.Path]) -> int:
    return sum(len(one.read_text(encoding="utf-8").splitlines()) for one in paths)


def rows() -> Iterator[tuple[str, str]]:
    """Yield what is counted, and the numbers."""
    paths = modules()
    tests = [one for one in paths if one.relative_to(ROOT).parts[0] in TESTS]
    product = sorted(set(paths) - set(tests))
    checks = [one for one in product if one.relative_to(ROOT).parts[0] in CHECKS]
    lengths = sorted(length for path in product for _, length in functions(path))
    items = len(load_catalogue())
    yield "product: lines / files", f"{_lines(product):,} / {len(product)}"
    yield "tests: lines / files", f"{_lines(tests):,} / {len(tests)}"
    yield "product lines for each row of the catalogue", f"{_lines(product) / items:,.0f}"
    yield "lines of steps and checks for each row", f"{_lines(checks) / items:,.0f}"
    ninth = statistics.quantiles(lengths, n=10)[-1]
    middle = statistics.median(lengths)
    yield "functions: median / p90 / longest", f"{middle:.0f} / {ninth:.0f} / {lengths[-1]}"
    most = folders(product).most_common(4)
    yield "modules in one folder", ", ".join(f"{folder} {count}" for folder, count in most)
    yield "modules that only one other imports", str(len(only_importers(product)))


if __name__ == "__main__":
    sys.stdout.write("".join(f"{label:<44} {numbers}\n" for label, numbers in rows()))
