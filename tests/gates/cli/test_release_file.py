"""`gate release init` drafts a release from a real repository, and never over one that is there."""

from __future__ import annotations

import io
import pathlib

import pytest
import yaml

from environments.release_file import read_release
from environments.yaml_file import PLACEHOLDER, ConfigurationError
from gates.cli.main import main
from gates.decide.release import Release
from sandbox.systems.source import repository
from tests.golden import Said
from tests.steps.platforms import NOWHERE, a_platform
from tests.tables import cases


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("drafted") / "release"
    repository.make(folder)
    return folder


def ask(folder: pathlib.Path, *words: str, release: str = "v1.2.0") -> tuple[int, str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    line = ["release", "init", "--env", str(folder / "clinic.yaml"), "--release", release, *words]
    return main(line, stdout, stderr), stdout.getvalue(), stderr.getvalue()


def described(folder: pathlib.Path) -> None:
    images = {"repositories": ["clinic-api"]}
    text = {"schema": 1, "name": "clinic", "images": images, "owner": f"{PLACEHOLDER}: who"}
    (folder / "clinic.yaml").write_text(yaml.safe_dump(text), encoding="utf-8")


def test_a_draft_is_read_once_a_person_has_finished_it(
    made: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """An environment file that is not finished itself will do."""
    described(tmp_path)
    code, _, said = ask(tmp_path, "--repository", str(made))
    assert code == 0, said
    file = tmp_path / "releases" / "v1.2.0" / "release.yaml"
    loaded = a_platform(tmp_path, {"eu": NOWHERE.format(1)}).environment
    with pytest.raises(ConfigurationError, match=r"images\.clinic-api still says EDIT-ME"):
        read_release(loaded, Release.parse("v1.2.0"))
    text = file.read_text(encoding="utf-8").replace(
        '"EDIT-ME: time, such as 2026-01-31T22:00:00Z"', "2026-01-31T22:00:00Z"
    )
    digest = f"sha256:{'a' * 64}"
    file.write_text(
        text.replace('"EDIT-ME: sha256:… of this release\'s image in the registry"', digest),
        encoding="utf-8",
    )
    found = read_release(loaded, Release.parse("v1.2.0")).file
    assert (found.previous, found.kind, found.commit) == (
        *("v1.1.0", "standard"),
        repository.commit(made, "1.2.0"),
    )
    changed = {name for name, is_changed in found.changes if is_changed}
    assert changed == {"code", "database_schema", "assets"}
    assert found.images == {"clinic-api": digest}
    assert found.tickets == ()


def test_a_draft_is_never_written_over_one_that_is_there(
    made: pathlib.Path, tmp_path: pathlib.Path, said: Said
) -> None:
    described(tmp_path)
    ask(tmp_path, "--repository", f"file://{made}")
    file = tmp_path / "releases" / "v1.2.0" / "release.yaml"
    before = file.read_bytes()
    again = ask(tmp_path, "--repository", str(made))
    assert file.read_bytes() == before
    said(again, {str(tmp_path): "FOLDER"})


@cases(
    "words release",
    {
        "no repository is named": ((), "v1.2.0"),
        "there is no such repository": (("--repository", "nowhere"), "v1.2.0"),
        "nothing of the release is there": (("--repository", "{made}"), "v1.9.0"),
        "no release lies before it": (("--repository", "{made}"), "v1.0.0"),
        "the previous one is not there": (
            ("--repository", "{made}", "--previous", "v1.0.0"),
            "v1.2.0",
        ),
        "what is named is an option of git's": (("--repository=--upload-pack=x",), "v1.2.0"),
    },
)
def test_what_can_not_be_drafted_is_one_sentence(
    words: tuple[str, ...], release: str, made: pathlib.Path, tmp_path: pathlib.Path, said: Said
) -> None:
    described(tmp_path)
    named = [word.format(made=made) for word in words]
    found = ask(tmp_path, *named, release=release)
    assert not (tmp_path / "releases").exists()
    said(found, {str(tmp_path): "FOLDER", str(made): "REPOSITORY"})


SECRET = "sentinel-5c1"


@cases(
    "address",
    {
        "a user and a password": f"https://anna:{SECRET}@git.clinic.example/release",
        "a token": f"https://{SECRET}@git.clinic.example/release",
        "in capitals": f"HTTPS://anna:{SECRET}@git.clinic.example/release",
        "as a query": f"https://git.clinic.example/release?token={SECRET}",
        "of ssh": f"ssh://git:{SECRET}@git.clinic.example/release",
        "with a slash in it": f"https://anna:x/{SECRET}@git.clinic.example/release",
    },
)
@pytest.mark.parametrize("by", ["flag", "environment"])
def test_an_address_with_a_password_is_refused_and_not_printed(
    tmp_path: pathlib.Path, address: str, by: str
) -> None:
    described(tmp_path)
    words = ["--repository", address] if by == "flag" else []
    if by == "environment":
        with (tmp_path / "clinic.yaml").open("a") as file:
            file.write(f"source: {{repository: '{address}'}}\n")
    code, out, said = ask(tmp_path, *words)
    assert (code, out) == (64, "")
    assert "the address holds a password or token" in said
    assert SECRET not in said


@cases("address", {"ssh": "ssh://git@localhost:1/x", "as scp writes it": "git@localhost:x"})
def test_the_name_of_a_user_is_no_password(tmp_path: pathlib.Path, address: str) -> None:
    described(tmp_path)
    assert "can't be cloned" in ask(tmp_path, "--repository", address)[2]


def test_a_new_first_number_is_a_major_release_and_tickets_are_found(
    made: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    described(tmp_path)
    place = tmp_path / "platform"
    repository.git(tmp_path, "clone", "--quiet", str(made), str(place))
    message = "UH-7: reads UTF-8, as ABC-12 asked"
    repository.git(place, "commit", "--quiet", "--allow-empty", "--message", message)
    repository.git(place, "branch", "release/v2.0.0")
    code, _, said = ask(tmp_path, "--repository", str(place), release="v2.0.0")
    assert code == 0, said
    file = tmp_path / "releases" / "v2.0.0" / "release.yaml"
    found = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert (found["kind"], found["previous"], found["tickets"]) == (
        *("major", "v1.2.0"),
        ["ABC-12", "UH-7"],
    )
