"""Finding an environment, resolving its secrets, and never showing one."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pydantic
import pytest

from environments import loader
from environments.yaml_file import ConfigurationError, RequestError
from settings.environment import Environment, LocalFile
from tests.environments.files import SECRETS, VALID, changed, loaded, refusal, write

_POSTGRES = "env:CLINIC_POSTGRES_PASSWORD"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(RequestError, match="there is no such environment; choose dev, local, prod"):
        loader.path_of("prdo")


@pytest.mark.parametrize("name", ["../environments/prod", "", "..", "nowhere/at/all.yaml"])
def test_a_name_is_no_way_around(name: str) -> None:
    with pytest.raises(RequestError, match="there is no such environment"):
        loader.path_of(name)


def test_local_names_its_provider() -> None:
    found = loader.find("local")
    assert isinstance(found, LocalFile)
    assert found.provider.up == ("sandbox", "up", "--owner", "{pid}")


def test_a_copied_file_that_kept_its_name_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "FOLDER", tmp_path)
    (tmp_path / "hospital.yaml").write_text(VALID, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        loader.find("hospital")
    assert str(caught.value).endswith(
        "name = clinic: must be hospital, as the file is called; was it copied?"
    )


@pytest.mark.usefixtures("secrets")
def test_optional_sections_are_named(tmp_path: pathlib.Path) -> None:
    without = changed("redis: {", "ca_file: /ca.pem\n#")
    assert {"prometheus", "postgres", "synthetic"} <= loaded(tmp_path, without).sections
    assert "redis" not in loaded(tmp_path, without).sections


class TestSecrets:
    def test_every_missing_variable_is_named(self, tmp_path: pathlib.Path) -> None:
        keys = ("prometheus.token", "postgres.password", "redis.password", "synthetic.token")
        assert refusal(tmp_path, VALID) == [
            f"clinic.yaml: {key} = env:{name}: the variable {name} is not set or empty; export it "
            "before the run."
            for key, name in zip(keys, SECRETS, strict=True)
        ]

    @pytest.mark.usefixtures("secrets")
    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            pytest.param(
                None,
                "the file cannot be read: No such file or directory; create it, readable by the "
                "gate alone.",
                id="absent",
            ),
            pytest.param(b"\n", "the file is empty; put the secret into it.", id="empty"),
            pytest.param(b" \r\n", "the file is empty; put the secret into it.", id="blank"),
            pytest.param(
                b"\xff\xfe",
                "the file is not UTF-8 text; put the plain secret into it.",
                id="binary",
            ),
        ],
    )
    def test_a_secret_file_that_is_no_use(
        self, content: bytes | None, sentence: str, tmp_path: pathlib.Path
    ) -> None:
        if content is not None:
            (tmp_path / "password").write_bytes(content)
        assert refusal(tmp_path, changed(_POSTGRES, "file:password")) == [
            f"clinic.yaml: postgres.password = file:password: {sentence}"
        ]

    @pytest.mark.usefixtures("secrets")
    def test_a_folder_is_no_secret(self, tmp_path: pathlib.Path) -> None:
        (sentence,) = refusal(tmp_path, changed(_POSTGRES, "file:."))
        assert "cannot be read: Is a directory" in sentence

    @pytest.mark.usefixtures("secrets")
    def test_a_file_beside_the_environment_file_is_read_without_its_line_end(
        self, tmp_path: pathlib.Path
    ) -> None:
        (tmp_path / "password").write_bytes(b" two words \r\n")
        found = loaded(tmp_path, changed(_POSTGRES, "file:password"))
        assert found.secret("file:password").get_secret_value() == " two words "

    @pytest.mark.usefixtures("secrets")
    def test_a_variable_is_read_without_its_line_end(
        self, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # A Kubernetes Secret that was made from a file ends its variable so.
        monkeypatch.setenv(_POSTGRES.removeprefix("env:"), " two words \n")
        assert loaded(tmp_path).secret(_POSTGRES).get_secret_value() == " two words "

    @pytest.mark.usefixtures("secrets")
    def test_no_repr_shows_one(self, tmp_path: pathlib.Path) -> None:
        found = loaded(tmp_path)
        assert found.secret(_POSTGRES).get_secret_value() == "sentinel-postgres"
        shown = f"{found!r} {found} {found.secrets!r} {found.settings!r} {found.secret(_POSTGRES)}"
        assert "sentinel" not in shown

    @pytest.mark.usefixtures("secrets")
    def test_no_refusal_shows_one(self, tmp_path: pathlib.Path) -> None:
        text = VALID
        for name, value in SECRETS.items():
            text = text.replace(f"env:{name}", value)
        assert "sentinel" not in "".join(refusal(tmp_path, text))

    def test_every_reference_of_the_models_is_resolved(self) -> None:
        """A new secret that the loader forgot would only show in a run."""
        known = {
            "audit.token",
            "audit.trial.token",
            "prometheus.token",
            "postgres.password",
            "redis.password",
            "regions.kubernetes.token",
            "aws.access_key_id",
            "aws.secret_access_key",
            "aws.session_token",
            "evidence.token",
            "integrations.token",
            "mobile.token",
            "monitoring.grafana.token",
            "people.slack.token",
            "people.pagerduty.token",
            "synthetic.token",
        }
        assert set(_reference_keys(Environment, "")) == known

    @pytest.mark.usefixtures("secrets")
    def test_references_are_named_by_key(self, tmp_path: pathlib.Path) -> None:
        settings = loader.load_file(write(tmp_path, VALID)).settings
        assert len(list(loader.references(settings))) == len(SECRETS)


def _reference_keys(model: type[pydantic.BaseModel], path: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if "_secret_reference" in f"{field.annotation!r} {field.metadata!r}":
            yield path + name
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, pydantic.BaseModel):
                yield from _reference_keys(part, f"{path}{name}.")
