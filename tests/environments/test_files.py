"""The committed environments: everything that the runbook says is there, the rest is marked."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable

import pytest
import yaml

from environments.loader import FOLDER, find, load_file, names
from environments.yaml_file import ConfigurationError
from gates.load import load_policy
from settings.environment import Environment

STANDING = ["dev", "prod", "staging"]
_MARK = re.compile(r'"EDIT-ME: [^"]+"')


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def edited(name: str) -> str:
    """Return an environment's text as an operator would leave it."""
    numbers = iter(range(100))

    def answer(mark: re.Match[str]) -> str:
        if "EDIT-ME: true or false" in mark[0]:
            return "true"
        if "EDIT-ME: time, such as " in mark[0]:
            return mark[0].rpartition(" ")[2].rstrip('"')
        if "EDIT-ME: tag of " in mark[0]:
            return f"tag-{next(numbers)}"
        return f"https://host-{next(numbers)}.example"

    return _MARK.sub(answer, text_of(name))


@pytest.fixture
def prod(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    for name in re.findall(r": env:(\w+)", text_of("prod")):
        monkeypatch.setenv(name, "sentinel")
    path = tmp_path / "prod.yaml"
    path.write_text(edited("prod"), encoding="utf-8")
    return load_file(path).settings


@pytest.mark.parametrize("name", STANDING)
def test_every_mark_is_listed_at_once_with_file_key_and_what_to_put(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find(name)
    marks = _MARK.findall(text_of(name))
    assert len(caught.value.sentences) == len(marks) > 0
    for sentence, mark in zip(caught.value.sentences, marks, strict=True):
        assert sentence.startswith(f"environments/{name}.yaml: ")
        assert sentence.endswith(mark.strip('"').removeprefix("EDIT-ME: ") + ".")


def test_production_marks_what_only_the_operator_knows(said: Callable[..., None]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find("prod")
    said([sentence.split(": ")[1].split(" still")[0] for sentence in caught.value.sentences])


@pytest.mark.parametrize("name", STANDING)
def test_edited_it_is_valid_and_holds_no_secret(name: str) -> None:
    data = yaml.safe_load(edited(name))
    settings = Environment.model_validate(data)
    assert (settings.name, settings.time_scale) == (name, 1)
    for section, key in (("postgres", "password"), ("redis", "password"), ("synthetic", "token")):
        assert data.get(section, {key: "env:GATE_"})[key].startswith("env:GATE_")


def test_production_carries_the_runbooks_hosts_and_vendors_and_allows_no_load(
    prod: Environment, said: Callable[..., None]
) -> None:
    assert prod.external is not None
    assert prod.load is not None
    vendors = [(one.name, one.support_contact, one.sla_minutes) for one in prod.external.vendors]
    said({"public": prod.public, "vendors": vendors, "load": prod.load.allowed})


@pytest.mark.parametrize("name", ["prod", "staging"])
def test_every_objective_has_its_metric(name: str) -> None:
    settings = Environment.model_validate(yaml.safe_load(edited(name)))
    for objective in load_policy().objectives:
        metric = settings.metrics[objective.metric]
        assert objective.kind != "errors" or metric.status_label == "status"


@pytest.mark.parametrize("name", [*STANDING, "local"])
def test_editors_are_told_the_schema(name: str) -> None:
    assert names() == ["dev", "local", "prod", "staging"]
    kind = "local" if name == "local" else "environment"
    first = text_of(name).partition("\n")[0]
    assert first == f"# yaml-language-server: $schema={kind}.schema.json"
    assert (FOLDER / f"{kind}.schema.json").is_file()
