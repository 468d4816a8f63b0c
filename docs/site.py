"""The documentation site: the pages that people wrote, as they lie here, and those that the code writes.

`mkdocs.yml` names this module; `./harness docs` builds the site and takes a broken link for an error.
"""

from __future__ import annotations

import contextlib
import csv
import importlib
import io
import itertools
import pathlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pytest_bdd.steps import StepFunctionContext, step_function_context_registry

from bdd.features import feature_files, scenarios
from gates.cli import main as gate
from gates.load import load_catalogue
from sandbox.faults import catalogue

ROOT = pathlib.Path(__file__).parent.parent
WRITTEN = ("*.md", "docs/**/*.md", "deploy/**/*.md", "examples/**/*.md")
RUNBOOK = ROOT / "docs" / "runbook-items.csv"
_LINK = re.compile(r"\]\(([^)\s:#]+)(?:#[^)\s]*)?\)")
_STEP = re.compile(r"^\s+(?:Given|When|Then|And|But) (.+)$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take the repository's own pages at their own paths, so that every link is what it is there."""
    for file in [one for one in files if one.src_dir == config.docs_dir]:
        files.remove(file)
    for path in sorted(_written()):
        files.append(File(path, str(ROOT), config.site_dir, config.use_directory_urls))
    for path, text in generated().items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: object, config: MkDocsConfig, files: Files) -> str:
    """Name a folder without a link: a site has pages and files alone."""
    del page, config, files
    return re.sub(r"\[([^\]]+)\]\(([^)\s:#]*/)?(adr|policy)\)", r"\1", markdown)


def _written() -> Iterator[str]:
    """Yield the paths of all pages, and of each file that one of them shows or links."""
    found = {path for pattern in WRITTEN for path in ROOT.glob(pattern)}
    for page in found:
        linked = (page.parent / one for one in _LINK.findall(page.read_text(encoding="utf-8")))
        yield from (_path(file) for file in (page, *linked) if file.is_file())


def _path(file: pathlib.Path) -> str:
    return file.resolve().relative_to(ROOT).as_posix()


def generated() -> dict[str, str]:
    """Return the text of each page that the code writes, by its path."""
    return {
        "docs/commands.md": commands(),
        "docs/sentences.md": sentences(),
        "docs/runbook-map.md": runbook_map(),
    }


def commands() -> str:
    """Return what each command of the gate says of itself."""
    parts = ["# Commands\n", f"```text\n{gate.EXIT_CODES}\n```\n"]
    for name in gate.COMMANDS:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            gate.main([name, "--help"], printed, printed)
        parts.append(f"## gate {name}\n\n```text\n{printed.getvalue()}```\n")
    return "\n".join(parts)


def sentences() -> str:
    """Return every sentence that a scenario can use, by the area that answers for it."""
    areas: dict[str, list[str]] = defaultdict(list)
    for one in _definitions():
        area = one.step_func.__module__.split(".")[1]
        areas[area].append(f"- *{str(one.type).title()}* {one.parser.name}")
    about = (
        "A check needs no Python where these say what it asks: a row of `features/catalogue.csv` and a "
        "scenario. What stands in braces or quotes is yours.\n"
    )
    parts = [f"## {area}\n\n" + "\n".join(sorted(found)) for area, found in sorted(areas.items())]
    return "\n\n".join(["# Sentences\n", about, *parts]) + "\n"


def _definitions() -> Sequence[StepFunctionContext]:
    for file in sorted((ROOT / "steps").glob("*/*.py")):
        if "@then(" in file.read_text(encoding="utf-8"):
            importlib.import_module(f"steps.{file.parent.name}.{file.stem}")
    return list(step_function_context_registry.values())


def runbook_map() -> str:
    """Return each item of the runbook: its scenario, how it is measured, and the faults that prove it."""
    items = list(csv.DictReader(io.StringIO(RUNBOOK.read_text(encoding="utf-8"))))
    asked, proofs = _asked(), _proofs()
    own = [row.id for row in load_catalogue() if row.id not in {item["id"] for item in items}]
    built = sum(item["id"] in asked for item in items)
    parts = [
        "# The map of the runbook\n",
        f"Of the runbook's {len(items)} items {built} are asked today; the gate asks {len(own)} more.\n",
        "An item without a scenario is asked by no command, and no GO speaks of it.\n",
    ]
    for (phase, section), rows in itertools.groupby(
        items, lambda one: (one["phase"], one["section"])
    ):
        lines = [_line(row["id"], row["item"], asked, proofs) for row in rows]
        parts.append("\n".join([f"## {phase}: {section}\n", *_HEAD, *lines, ""]))
    lines = [_line(one, "", asked, proofs) for one in own]
    return "\n".join([*parts, "## Beyond the runbook\n", *_HEAD, *lines, ""])


_HEAD = ("| item | the runbook says | the gate asks | shown red by |", "|---|---|---|---|")


def _line(item: str, says: str, asked: Mapping[str, str], proofs: Mapping[str, list[str]]) -> str:
    red = ", ".join(proofs.get(item, ()))
    anchor = f'<span id="{item}">{item}</span>'
    cells = (anchor, says, asked.get(item, "*not asked yet*"), red)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _asked() -> dict[str, str]:
    """Return for each check its scenario's name and sentences."""
    found = {}
    for place in scenarios(feature_files(ROOT / "features")):
        below = place.file.read_text(encoding="utf-8").split("\n", place.line)[-1]
        steps = _STEP.findall(re.split(r"^\s*@", below, maxsplit=1, flags=re.MULTILINE)[0])
        found[place.check] = f"**{place.name}** " + "; ".join(steps)
    return found


def _proofs() -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for fault in catalogue.load():
        for check in fault.fail:
            found[check].append(fault.name)
    return found
