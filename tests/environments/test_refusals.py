"""Every mistake in an environment file has its one exact sentence: file, key, value, remedy."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import pytest

from tests.environments.files import VALID, changed, changes, loaded, refusal
from tests.tables import cases

pytestmark = pytest.mark.usefixtures("secrets")


@cases("old new said", changes("mistakes.txt"))
def test_mistake_in_a_value(old: str, new: str, said: list[str], tmp_path: pathlib.Path) -> None:
    assert refusal(tmp_path, changed(old, new)) == [f"clinic.yaml: {one}" for one in said]


@cases("old new said", changes("not_yaml.txt"))
def test_mistake_in_the_yaml(old: str, new: str, said: list[str], tmp_path: pathlib.Path) -> None:
    assert refusal(tmp_path, changed(old, new)) == said


MARKED = changed("https://eu.clinic.example", "EDIT-ME").replace("15s", "15")
BEFORE, _, AFTER = VALID.partition("synthetic:\n")
LOAD = "load: {allowed: true, service: api, max_rps: 9}\n"
UNMARKED_ACCOUNTS = BEFORE + LOAD + AFTER[AFTER.index("vantage") :]


@cases(
    "content",
    {
        "empty": "",
        "only a comment": "# later\n",
        "a list": "- a\n",
        "another encoding": VALID.encode().replace(b"release manager", b"Z\xfcrich"),
        "three thousand brackets": "a: " + "[" * 3000,
        "all mistakes and marks at once": MARKED.replace(
            "host: db.clinic.example", '"host": "EDIT-ME: the primary"'
        ),
        "accounts of a load, and nothing says how they are marked": UNMARKED_ACCOUNTS,
        "a section whose lines were cut out": f"{VALID}monitoring:\n",
        "a part of a section that was cut out": f"{VALID}data: {{tables: {{}}, backups: }}\n",
    },
)
def test_mistake_in_the_whole_file(
    content: str | bytes, tmp_path: pathlib.Path, said: Callable[..., None]
) -> None:
    said(refusal(tmp_path, content))


def test_load_without_accounts_needs_no_mark(tmp_path: pathlib.Path) -> None:
    text = UNMARKED_ACCOUNTS.replace("max_rps: 9", "max_rps: 9, accounts: 0")
    assert loaded(tmp_path, text).settings.load


def test_merged_keys_may_be_overridden(tmp_path: pathlib.Path) -> None:
    text = changed("labels: {region: eu}", "labels: &eu {region: eu}").replace(
        "labels: {region: us}", "labels: {<<: *eu, region: us}"
    )
    assert loaded(tmp_path, text).settings.regions["us"].labels == {"region": "us"}
