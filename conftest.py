"""The root conftest: which plugins make feature files into checks, and where the sentences are."""

import pathlib

_PACKAGE = f"{__package__}." if __package__ else ""
_STEPS = pathlib.Path(__file__).parent / "steps"

pytest_plugins = [
    f"{_PACKAGE}bdd.options",
    f"{_PACKAGE}bdd.collector",
    f"{_PACKAGE}bdd.guard",
    f"{_PACKAGE}bdd.session",
    f"{_PACKAGE}bdd.operations",
    f"{_PACKAGE}bdd.allure_bridge",
    *(
        _PACKAGE + ".".join(file.relative_to(_STEPS.parent).with_suffix("").parts)
        for file in sorted(_STEPS.glob("*/*.py"))
        if "@then(" in file.read_text(encoding="utf-8")
    ),
]
