"""Where a release comes from: a real repository, and forge, tracker and staging as the platform has them."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import subprocess
from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest
from pydantic import SecretStr

from environments.store import store_of
from gates.decide.outcome import Outcome
from gates.doctor.look import subject_of
from sandbox.core.layout import PREVIOUS, RELEASE
from sandbox.systems.source import repository, standins
from sandbox.systems.statements import people
from settings.source import SourcePolicy
from steps.kit.check import Check
from steps.kit.platform import Platform
from steps.kit.statements import Books
from steps.source.doctor import examine_forge, examine_repository, examine_tracker
from tests.golden import Said
from tests.probes.servers import closed_port
from tests.probes.standin_server import ADMIN, StandIn, listening
from tests.steps.json_server import json_server
from tests.steps.platforms import NOWHERE, a_platform, a_policy
from tests.steps.scenarios import judged, told, wrong
from tests.tables import beside, cases

TOKEN = "sentinel-9f2-token"
CHECKS = (
    *("T7-CODE-1", "T7-CODE-2", "T7-CODE-3", "T7-CODE-4", "T7-CODE-5", "T7-CODE-6"),
    *("T7-DOCS-1", "T7-DOCS-5", "T1-GONOGO-3"),
)
NOTES = "T7-DOCS-5"
ASKS_FORGE, ASKS_TRACKER, ASKS_STAGING = {"T7-CODE-1", "T7-CODE-6"}, {"T1-GONOGO-3"}, {"T7-DOCS-1"}
Servers = dict[str, StandIn]
ROWS = beside(__file__, "test_source_broken.yaml")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("source") / "release"
    repository.make(folder)
    return folder


@pytest.fixture(scope="module")
def servers(made: pathlib.Path) -> Iterator[Servers]:
    apps = (standins.forge, standins.jira, standins.staging)
    forge, jira, staging = (app(SecretStr(ADMIN), {"token": TOKEN}) for app in apps)
    with listening(forge) as first, listening(jira) as second, listening(staging) as third:
        known = {"forge": StandIn(first), "jira": StandIn(second), "staging": StandIn(third)}
        commits = {"commit": repository.commit(made, RELEASE)}
        known["forge"].tell(**commits, merged=repository.commit(made, RELEASE, before=1))
        yield known


@dataclasses.dataclass
class Scene:
    """A release's source, of which a test may break a part."""

    folder: pathlib.Path
    servers: Servers
    policy: dict[str, Any] = dataclasses.field(default_factory=dict)
    token: str = TOKEN

    @property
    def repository(self) -> pathlib.Path:
        return self.folder / "release"

    def describe(self, **changed: Any) -> None:
        release: dict[str, Any] = {
            "schema": 1,
            "version": f"v{RELEASE}",
            "previous": f"v{PREVIOUS}",
            "kind": "standard",
            "commit": repository.git(self.repository, "rev-parse", "main").decode().strip(),
            "changes": dict.fromkeys(
                ("code", "schema", "flags", "dns", "configuration", "assets", "alert_rules"), True
            ),
            "planned_start": "2026-01-31T22:00:00Z",
        }
        changes = release["changes"] | changed.pop("changes", {})
        file = self.folder / "releases" / f"v{RELEASE}" / "release.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({**release, **changed, "changes": changes}), encoding="utf-8")

    def platform(self, **changed: Any) -> Platform:
        token = self.folder / "token"
        token.write_text(self.token)
        at = {name: server.url for name, server in self.servers.items()}
        forge = {
            "kind": "github",
            "url": at["forge"],
            "project": standins.PROJECT,
            "token": "file:token",
            "required": list(standins.REQUIRED),
            **changed.pop("forge", {}),
        }
        tracker = {
            "kind": "jira",
            "url": at["jira"],
            "project": standins.TRACKED,
            "user": standins.TRACKER_USER,
            "token": "file:token",
            "critical": ["priority = Highest", "priority = Blocker"],
            **changed.pop("tracker", {}),
        }
        openapi = {"file": repository.OPENAPI, "served_at": f"{at['staging']}/openapi.json"}
        source = {
            "repository": "release",
            "merged": ["feature/*"],
            "not_packages": ["examples/*"],
            "forge": forge,
            "tracker": tracker,
            "openapi": openapi | changed.pop("openapi", {}),
        }
        policy = a_policy().model_copy(update={"source": SourcePolicy.model_validate(self.policy)})
        regions = {"eu": NOWHERE.format(1)}
        return a_platform(
            self.folder,
            regions,
            policy=policy,
            release=f"v{RELEASE}",
            source=source | changed,
            state={"url": "state"},
            statements={"approvers": f"people/{people.APPROVERS}"},
        )

    def ask(self, check_id: str, **changed: Any) -> Check:
        platform = self.platform(**changed)
        if check_id == NOTES and (self.folder / "releases").exists():
            self.sign(platform)
        return judged(check_id, platform)

    def sign(self, platform: Platform) -> None:
        """Have all people sign the release as it is described now."""
        subject = Books.of(platform.environment, platform.release).subject
        people.sign_everything(self.people, store_of(platform.environment), subject)

    @property
    def people(self) -> pathlib.Path:
        return self.folder / "people"

    def git(self, *words: str) -> None:
        repository.git(self.repository, *words)


@pytest.fixture
def scene(tmp_path: pathlib.Path, made: pathlib.Path, servers: Servers) -> Iterator[Scene]:
    shutil.copytree(made, tmp_path / "release")
    found = Scene(tmp_path, servers)
    found.describe()
    people.make(found.people)
    yield found
    for server in servers.values():
        server.straighten()


@pytest.mark.parametrize("check_id", CHECKS)
def test_a_sound_source_passes(scene: Scene, check_id: str, said: Said) -> None:
    check = scene.ask(check_id)
    assert check.outcome("eu") is Outcome.PASS
    said([one.partition(" on 20")[0] for one in told(check)])


@cases("row", ROWS)
def test_what_is_broken_is_said(scene: Scene, row: dict[str, Any], said: Said) -> None:
    """Each row breaks one thing: facts of stand-ins, the repository, the section, policy or release.yaml."""
    for name, values in row.get("bent", {}).items():
        scene.servers[name].bend(**values)
    for words in row.get("git", ()):
        scene.git(*words)
    for path, content in row.get("files", {}).items():
        (scene.repository / path).write_text(content, encoding="utf-8")
    if row.get("files"):
        scene.git("add", "--all")
        scene.git("commit", "--quiet", "--message", "A change")
        scene.git("update-ref", f"refs/heads/release/v{RELEASE}", "HEAD")
        scene.git("tag", "--force", "--annotate", "--message", "x", f"v{RELEASE}")
    scene.policy = row.get("policy", {})
    scene.describe(**row.get("release", {}))
    said(wrong(scene.ask(row["check"], **row.get("source", {}))), {str(scene.folder): "FOLDER"})


def test_a_branch_that_must_be_merged_and_is_not_there_is_not_merged(scene: Scene) -> None:
    """A pattern may fit none."""
    check = scene.ask("T7-CODE-1", merged=["develop", "hotfix/*"])
    assert check.outcome("eu") is Outcome.INCONCLUSIVE
    said = "branch develop is not there, and source.merged names it"
    assert wrong(check) == [f"INCONCLUSIVE: {said}"]


def test_a_merged_request_without_its_commit_is_not_in_the_release(scene: Scene) -> None:
    merged = [{"iid": 7, "state": "merged"}]

    def answers(_: str, path: str, __: Message, ___: bytes) -> tuple[int, object]:
        return 200, [{"title": "v1.2.0"}] if "/milestones" in path else merged * ("=all" in path)

    with json_server(answers) as url:
        check = scene.ask("T7-CODE-1", forge={"kind": "gitlab", "url": url})
    assert check.outcome("eu") is Outcome.INCONCLUSIVE
    assert wrong(check)[0].startswith("INCONCLUSIVE: request #7: the repository has no such commit")


@pytest.mark.parametrize("check_id", CHECKS)
def test_what_can_not_be_read_is_our_error_and_shows_no_token(
    scene: Scene, check_id: str, said: Said
) -> None:
    nowhere = StandIn(NOWHERE.format(closed_port()))
    shutil.rmtree(scene.repository)
    scene.servers = dict.fromkeys(scene.servers, nowhere)
    check = scene.ask(check_id)
    assert check.outcome("eu") is Outcome.ERROR
    said(wrong(check))


@pytest.mark.parametrize("check_id", sorted(ASKS_FORGE | ASKS_TRACKER))
def test_a_token_that_is_refused_is_our_error(scene: Scene, check_id: str, said: Said) -> None:
    scene.token = "sentinel-other"
    said(wrong(scene.ask(check_id)))


def test_without_release_yaml_nothing_is_decided(scene: Scene) -> None:
    shutil.rmtree(scene.folder / "releases")
    for check_id in CHECKS:
        outcome = scene.ask(check_id).outcome("eu")
        assert outcome is not Outcome.PASS or check_id in ASKS_TRACKER, check_id


def test_finished_notes_that_nobody_signed_decide_nothing(scene: Scene) -> None:
    check = judged(NOTES, scene.platform())
    assert check.outcome("eu") is Outcome.INCONCLUSIVE
    assert told(check)[0] == "PASS: the release's notes in CHANGELOG.md are finished"


def test_an_address_is_cloned_once_and_a_shallow_history_decides_nothing(scene: Scene) -> None:
    address = f"file://{scene.repository}"
    for check_id in ("T7-CODE-1", "T7-CODE-2", "T7-CODE-5"):
        assert scene.ask(check_id, repository=address).outcome("eu") is Outcome.PASS
    shallow = scene.folder / "shallow"
    words = ("clone", "--quiet", "--depth=2", "--no-single-branch", address, str(shallow))
    subprocess.run(("git", *words), check=True, capture_output=True)  # noqa: S607 - the PATH's own git
    check = scene.ask("T7-CODE-1", repository="shallow")
    assert check.outcome("eu") is Outcome.INCONCLUSIVE
    assert any("shallow clone" in one for one in wrong(check))


def test_what_the_doctor_says_of_a_source(scene: Scene, said: Said) -> None:
    found: dict[str, list[str]] = {}
    for name, bent in {"sound": {}, "a token too mighty": {"may_write": True}}.items():
        scene.servers["forge"].bend(**bent)
        subject = subject_of(scene.platform().environment, None, ())
        section = subject.settings.source
        assert section is not None
        found[name] = [
            f"{one.level} {one.system}: {one.sentence.rpartition('sha256:')[0] or one.sentence}"
            for examine in (examine_repository, examine_forge, examine_tracker)
            for one in examine(subject, section)
        ]
    said(found)
