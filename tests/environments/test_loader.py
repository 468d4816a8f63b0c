"""Finding an environment, resolving its secrets, and never showing one."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator

import pydantic
import pytest

from environments import loader
from environments.yaml_file import ConfigurationError, RequestError
from settings.environment import Environment, LocalFile
from tests.environments.files import SECRETS, VALID, changed, loaded, refusal, write
from tests.tables import cases

_POSTGRES = "env:CLINIC_POSTGRES_PASSWORD"


@pytest.mark.parametrize("name", ["prdo", "../environments/prod", "", "..", "nowhere/at/all.yaml"])
def test_an_unknown_name_lists_the_known_ones_and_is_no_way_around(name: str) -> None:
    with pytest.raises(RequestError, match="there is no such environment; choose dev, local, prod"):
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


def test_a_folder_of_checks_is_found_from_the_environment_file(tmp_path: pathlib.Path) -> None:
    """One without policy is refused; without the key the gate's own are taken."""

    def checks(line: str) -> pathlib.Path | None:
        return loader.checks_of(str(write(tmp_path, f"schema: 1\nname: clinic\n{line}\n")))

    (tmp_path / "ours" / "features").mkdir(parents=True)
    with pytest.raises(
        ConfigurationError, match=r"clinic\.yaml: checks = ours: there is no .*policy"
    ):
        checks("checks: ours")
    (tmp_path / "ours" / "policy").mkdir()
    assert checks("checks: ours") == tmp_path / "ours"
    assert checks("owner: we") is None


class TestSecrets:
    def test_every_missing_variable_is_named(self, tmp_path: pathlib.Path) -> None:
        keys = ("prometheus.token", "postgres.password", "redis.password", "synthetic.token")
        assert refusal(tmp_path, VALID) == [
            f"clinic.yaml: {key} = env:{name}: the variable {name} is not set or empty; export it "
            "before the run."
            for key, name in zip(keys, SECRETS, strict=True)
        ]

    @pytest.mark.usefixtures("secrets")
    @cases(
        "content",
        {
            "absent": None,
            "a folder": "folder",
            "empty": b"\n",
            "blank": b" \r\n",
            "binary": b"\xff\xfe",
        },
    )
    def test_a_secret_file_that_is_no_use(
        self, content: bytes | str | None, tmp_path: pathlib.Path, said: Callable[..., None]
    ) -> None:
        if isinstance(content, bytes):
            (tmp_path / "password").write_bytes(content)
        elif content:
            (tmp_path / "password").mkdir()
        said(refusal(tmp_path, changed(_POSTGRES, "file:password")))

    @pytest.mark.usefixtures("secrets")
    def test_a_file_beside_the_environment_file_or_a_variable_is_read_without_its_line_end(
        self, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A Kubernetes Secret that was made from a file ends its variable so."""
        (tmp_path / "password").write_bytes(b" two words \r\n")
        found = loaded(tmp_path, changed(_POSTGRES, "file:password"))
        assert found.secret("file:password").get_secret_value() == " two words "
        monkeypatch.setenv(_POSTGRES.removeprefix("env:"), " two words \n")
        assert loaded(tmp_path).secret(_POSTGRES).get_secret_value() == " two words "

    @pytest.mark.usefixtures("secrets")
    def test_no_repr_and_no_refusal_shows_one(self, tmp_path: pathlib.Path) -> None:
        found = loaded(tmp_path)
        assert found.secret(_POSTGRES).get_secret_value() == "sentinel-postgres"
        shown = f"{found!r} {found} {found.secrets!r} {found.settings!r} {found.secret(_POSTGRES)}"
        text = VALID
        for name, value in SECRETS.items():
            text = text.replace(f"env:{name}", value)
        assert "sentinel" not in shown + "".join(refusal(tmp_path, text))

    def test_every_reference_of_the_models_is_resolved(self, said: Callable[..., None]) -> None:
        """A new secret that the loader forgot would only show in a run."""
        said(sorted(set(_reference_keys(Environment, ""))))

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
