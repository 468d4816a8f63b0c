"""A valid environment file and one change to it: what most tests here begin with."""

from __future__ import annotations

import pathlib

import pytest

from environments.loader import Loaded, load_file
from environments.yaml_file import ConfigurationError

TESTDATA = pathlib.Path(__file__).parent / "testdata"
VALID = (TESTDATA / "valid.yaml").read_text(encoding="utf-8")
SECRETS = {
    "CLINIC_PROMETHEUS_TOKEN": "sentinel-prometheus",
    "CLINIC_POSTGRES_PASSWORD": "sentinel-postgres",
    "CLINIC_REDIS_PASSWORD": "sentinel-redis",
    "CLINIC_SYNTHETIC_TOKEN": "sentinel-synthetic",
}


def changed(old: str, new: str) -> str:
    """Return the valid file with one change; the test is wrong if there is nothing to change."""
    assert old in VALID
    return VALID.replace(old, new, 1)


def changes(name: str) -> dict[str, tuple[str, str, list[str]]]:
    """Return the rows of a file of changes: what each is → old and new text, and what is said of it.

    A line `what it is | what stands in the file | what stands there instead`, below it what is said.
    """
    table = (TESTDATA / name).read_text(encoding="utf-8")
    rows, name = dict[str, tuple[str, str, list[str]]](), ""
    for line in table.replace("\\\n", "").strip("\n").split("\n"):
        if line.startswith("    "):
            rows[name][2].append(line.strip())
        else:
            name, old, new = (
                line.encode().decode("unicode_escape").encode("latin-1").decode().split(" | ")
            )
            rows[name] = (old, new, [])
    return rows


def write(folder: pathlib.Path, content: str | bytes) -> pathlib.Path:
    """Write clinic.yaml into a folder."""
    path = folder / "clinic.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(folder: pathlib.Path, content: str | bytes) -> list[str]:
    """Return the sentences with which a file is refused, without the folder's name."""
    path = write(folder, content)
    with pytest.raises(ConfigurationError) as caught:
        load_file(path)
    assert str(caught.value) == "\n".join(caught.value.sentences)
    return [sentence.replace(str(path), "clinic.yaml") for sentence in caught.value.sentences]


def loaded(folder: pathlib.Path, content: str = VALID) -> Loaded:
    """Load a file that is in order."""
    return load_file(write(folder, content))
