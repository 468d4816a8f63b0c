"""What is generated from the models is committed as it is generated."""

from __future__ import annotations

import functools
import json
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml

from environments import schema
from gates.load import POLICY
from settings.environment import Environment, LocalFile
from settings.policy import Policy

schema_files = functools.cache(schema.schema_files)
schema_of = functools.cache(schema.schema_of)


def test_the_committed_schemas_and_reference_are_current() -> None:
    committed = {path: path.read_text(encoding="utf-8") for path in schema_files()}
    assert committed == schema_files(), "run python -m environments.schema"
    for text in committed.values():
        assert json.loads(text)["$schema"].startswith("https://json-schema.org/")
    written = schema.references()
    committed = {path: path.read_text(encoding="utf-8") for path in written}
    assert committed == written, "run python -m environments.schema --docs"


def properties(definition: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for owner in (definition, *definition.get("$defs", {}).values()):
        for name, value in owner["properties"].items():
            yield f"{owner['title']}.{name}", value


@pytest.mark.parametrize("model", [Environment, LocalFile, Policy])
def test_every_key_is_explained(model: type[Environment | LocalFile | Policy]) -> None:
    silent = [
        key
        for key, value in properties(schema_of(model))
        if not {"description", "$ref"} & value.keys()  # a section explains itself
    ]
    assert silent == []


def test_unknown_keys_are_refused_everywhere_and_a_default_is_shown_as_one_would_write_it() -> None:
    described = schema_of(Environment)
    for definition in (described, *described["$defs"].values()):
        assert definition["additionalProperties"] is False
    assert dict(properties(described))["Prometheus.max_clock_skew"]["default"] == "30s"


def test_editors_see_what_the_gate_would_refuse() -> None:
    described = dict(properties(schema_of(Environment)))
    for key, good, bad in (
        ("Prometheus.scrape_interval", "15s", "15"),
        ("Region.prometheus", "http://prometheus:9090", "EDIT-ME: an address"),
        ("Postgres.password", "env:PASSWORD", "hunter2"),
    ):
        assert re.search(described[key]["pattern"], good)
        assert not re.search(described[key]["pattern"], bad)


@pytest.mark.parametrize("file", sorted(POLICY.glob("*.yaml")), ids=lambda file: file.name)
def test_the_policy_is_what_its_schema_says_and_a_mistake_is_not(file: pathlib.Path) -> None:
    schema = jsonschema.Draft202012Validator(schema_of(Policy))
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert not list(schema.iter_errors(document))
    assert not schema.is_valid({**document, "browsers": {}})


def test_wrong_usage_is_64(capsys: pytest.CaptureFixture[str]) -> None:
    assert schema.main(["--docz"]) == 64
    assert "usage:" in capsys.readouterr().err
