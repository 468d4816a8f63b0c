"""Every mistake in an environment file has its one exact sentence: file, key, value, remedy."""

from __future__ import annotations

import pathlib

import pytest

from tests.environments.files import VALID, changed, changes, loaded, refusal
from tests.tables import cases

pytestmark = pytest.mark.usefixtures("secrets")

_NOT_YAML = (
    "clinic.yaml: is not valid YAML: it holds a date that does not exist, an alias to itself or "
    "brackets without end."
)


@cases("old new said", changes("mistakes.txt"))
def test_mistake_in_a_value(old: str, new: str, said: list[str], tmp_path: pathlib.Path) -> None:
    assert refusal(tmp_path, changed(old, new)) == [f"clinic.yaml: {one}" for one in said]


@cases("old new said", changes("not_yaml.txt"))
def test_mistake_in_the_yaml(old: str, new: str, said: list[str], tmp_path: pathlib.Path) -> None:
    assert refusal(tmp_path, changed(old, new)) == said


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param("", "clinic.yaml: is empty; write the settings into it.", id="empty"),
        pytest.param(
            "# later\n", "clinic.yaml: is empty; write the settings into it.", id="only a comment"
        ),
        pytest.param(
            "- a\n",
            "clinic.yaml: is not a mapping of keys to values; see its comments.",
            id="a list",
        ),
        pytest.param(
            VALID.encode().replace(b"release manager", b"Z\xfcrich"),
            "clinic.yaml: cannot be read: it is not UTF-8 text.",
            id="another encoding",
        ),
        pytest.param("a: " + "[" * 3000, _NOT_YAML, id="three thousand brackets"),
    ],
)
def test_mistake_in_the_whole_file(
    content: str | bytes, sentence: str, tmp_path: pathlib.Path
) -> None:
    assert refusal(tmp_path, content) == [sentence]


def test_a_scale_beyond_all_bounds_is_refused(tmp_path: pathlib.Path) -> None:
    (sentence,) = refusal(tmp_path, changed("owner:", "time_scale: .inf\nowner:"))
    assert sentence.endswith("must be a finite number.")


def test_all_mistakes_and_marks_are_listed_at_once(tmp_path: pathlib.Path) -> None:
    text = changed("https://eu.clinic.example", "EDIT-ME").replace("15s", "15")
    text = text.replace("host: db.clinic.example", '"host": "EDIT-ME: the primary"')
    assert refusal(tmp_path, text) == [
        (
            "clinic.yaml: regions.eu.services.api still says EDIT-ME; replace it: "
            "see the comment beside it."
        ),
        "clinic.yaml: postgres.host still says EDIT-ME; replace it: the primary.",
        (
            "clinic.yaml: prometheus.scrape_interval = 15: must be a duration with its unit, such as "
            "30s, 5m or 1h."
        ),
    ]


def test_load_by_accounts_needs_to_know_how_accounts_are_marked(tmp_path: pathlib.Path) -> None:
    text, _, rest = VALID.partition("synthetic:\n")
    text += "load: {allowed: true, service: api, max_rps: 9}\n" + rest[rest.index("vantage") :]
    (sentence,) = refusal(tmp_path, text)
    assert sentence == (
        "clinic.yaml: load.accounts needs the section synthetic, which says how accounts are marked; "
        "add it or write accounts: 0."
    )
    assert loaded(tmp_path, text.replace("max_rps: 9", "max_rps: 9, accounts: 0")).settings.load


def test_merged_keys_may_be_overridden(tmp_path: pathlib.Path) -> None:
    text = changed("labels: {region: eu}", "labels: &eu {region: eu}").replace(
        "labels: {region: us}", "labels: {<<: *eu, region: us}"
    )
    assert loaded(tmp_path, text).settings.regions["us"].labels == {"region": "us"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param(
            f"{VALID}monitoring:\n",
            "monitoring holds nothing; fill it in, or remove the key if there is none.",
            id="at the top",
        ),
        pytest.param(
            f"{VALID}data: {{tables: {{}}, backups: }}\n",
            "data.backups holds nothing; fill it in, or remove the key if there is none.",
            id="within a section",
        ),
    ],
)
def test_a_section_whose_lines_were_cut_out_is_refused_and_not_taken_for_absent(
    tmp_path: pathlib.Path, text: str, sentence: str
) -> None:
    assert f"clinic.yaml: {sentence}" in refusal(tmp_path, text)
