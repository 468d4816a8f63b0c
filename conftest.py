"""The root conftest: which plugins make feature files into checks, and where the sentences are."""

import pathlib

_STEPS = pathlib.Path(__file__).parent / "steps"

pytest_plugins = [
    "bdd.options",
    "bdd.collector",
    "bdd.guard",
    "bdd.session",
    "bdd.operations",
    "bdd.allure_bridge",
    *(
        ".".join(file.relative_to(_STEPS.parent).with_suffix("").parts)
        for file in sorted(_STEPS.glob("*/*.py"))
        if "@then(" in file.read_text(encoding="utf-8")
    ),
]
