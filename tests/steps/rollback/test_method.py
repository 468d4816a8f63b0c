"""METHOD-1 against a real database, a cluster and a registry: each kind of release, broken and blind."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from environments.loader import load_file
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome, worst_outcome
from gates.decide.rollback.plan import Choice
from sandbox.systems.data import postgres as sandbox_postgres
from sandbox.systems.delivery.builds import REPOSITORIES, image_digest
from sandbox.systems.source import repository
from steps.collectors import COLLECTORS, collect
from steps.data.reads import MIGRATIONS
from steps.kit.platform import Platform
from tests.aws_server import KEY_ID, AwsServer, aws_server
from tests.probes.cluster_server import TOKEN, ClusterServer
from tests.probes.real_servers import PASSWORD
from tests.probes.servers import closed_port
from tests.steps.cluster_platform import LIVE, NORMAL, section
from tests.steps.platforms import NOWHERE, keep_baseline, write_evidence
from tests.steps.records import Records, a_restore_test
from tests.steps.scenarios import all_of, judged
from tests.tables import cases

ADDED, EXTRA = "20260126150000_appointment_source", "20260301000000_extra"
CONTRACT = "ALTER TABLE appointments DROP COLUMN source;"
ROWS = "UPDATE appointments SET status = 'completed';"
PARTS = ("code", "schema", "flags", "dns", "configuration", "assets", "alert_rules")
NOBODY = NOWHERE.format(closed_port())


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsServer]:
    with aws_server(tmp_path_factory.mktemp("aws")) as running:
        running.tell(image_versions=["1.1.0", "1.2.0"])
        yield running


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """What METHOD-1 said."""

    judgements: list[Judgement]

    @property
    def outcome(self) -> Outcome:
        return worst_outcome(one.outcome for one in self.judgements)

    @property
    def said(self) -> str:
        return "\n".join(one.sentence for one in self.judgements)

    def says(self, words: str) -> None:
        """Assert an outcome and words of a sentence: `FAIL: is gone`."""
        outcome, _, said = words.partition(": ")
        assert (str(self.outcome), said in self.said) == (outcome, True), self.said

    @property
    def choice(self) -> Choice:
        return Choice.from_record(
            next(one.data["choice"] for one in self.judgements if "choice" in one.data)
        )

    @property
    def commands(self) -> str:
        plan = self.choice.plan
        assert plan is not None, self.said
        return "\n".join(command for step in plan.steps for command in step.commands)


@dataclasses.dataclass(slots=True)
class Scene:
    """A release of code, configuration and a migration, live, with the baseline of before."""

    records: Records
    folder: pathlib.Path
    cluster: ClusterServer
    registry: AwsServer
    script: str = ""
    """Of a migration besides those that the records have."""

    def choose(self, **changed: Any) -> Found:
        """Ask METHOD-1 of the platform with changes of its sections; the cluster is as it was left."""
        return Found(all_of(judged("METHOD-1", self.platform(**changed))))

    def live(self) -> None:
        """Describe the release, keep how everything was before it, and switch to it."""
        self.describe("v1.2.0", "v1.1.0")
        files = {f"prisma/migrations/{EXTRA}/migration.sql": self.script.encode()}
        repository.make(
            self.folder / "release", lambda one: files if self.script and one == "1.2.0" else {}
        )
        self.cluster.tell(**LIVE)
        platform = self.platform()
        facts = collect(
            platform,
            [
                one
                for one in COLLECTORS
                if one.section in {"data", "migrations", "kubernetes", "images"}
            ],
        )
        applied = [one for one in facts[MIGRATIONS]["shared"] if self.script or one != ADDED]
        keep_baseline(platform, {**facts, MIGRATIONS: {"shared": applied}})
        self.cluster.tell(**NORMAL)

    def platform(self, **changed: Any) -> Platform:
        for name, secret in (("token", TOKEN), ("id", KEY_ID), ("key", "sentinel")):
            (self.folder / name).write_text(secret)
        migrations = {
            "table": "release_gate.migrations",
            "has_logs_column": "has_logs",
            "repository": str(self.folder / "release"),
        }
        server = changed.pop("cluster", self.cluster.url)
        keys = {"access_key_id": "file:id", "secret_access_key": "file:key"}
        sections = {
            "kubernetes": {k: v for k, v in section().items() if k != "candidate_health"},
            "evidence": {"folder": "."},
            "aws": {
                "region": "us-east-1",
                "endpoint_url": changed.pop("aws", self.registry.url()),
                **keys,
            },
            "images": {"repositories": list(REPOSITORIES)},
            "rollback": {"configuration": "apply v{previous}", "contexts": {"eu": "eu-1"}},
            **changed,
        }
        data = {"migrations": migrations, **sections.pop("data", {})}
        platform = self.records.platform(self.folder, **data)
        path = platform.environment.path
        environment = json.loads(path.read_text())
        environment["regions"]["eu"]["kubernetes"] = {"server": server, "token": "file:token"}
        there = {name: one for name, one in (environment | sections).items() if one is not None}
        path.write_text(json.dumps(there))
        return dataclasses.replace(platform, environment=load_file(path))

    def describe(self, version: str, previous: str, **changed: Any) -> None:
        """Write a release.yaml."""
        number = version.removeprefix("v")
        described = {
            "schema": 1,
            "version": version,
            "previous": previous,
            "kind": "standard",
            "commit": "0" * 40,
            "images": {name: image_digest(name, number) for name in REPOSITORIES},
            "changes": {part: part in ("code", "schema", "configuration") for part in PARTS},
            "planned_start": "2026-01-31T22:00:00Z",
        }
        file = self.folder / "releases" / version / "release.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(described | changed))


@pytest.fixture
def scene(
    records: Records, tmp_path: pathlib.Path, cluster: ClusterServer, registry: AwsServer
) -> Scene:
    scene = Scene(records, tmp_path, cluster, registry)
    scene.live()
    return scene


@contextlib.contextmanager
def migrated(scene: Scene, script: str) -> Iterator[None]:
    """Let the release have one more migration, applied just now."""
    for name in ("release", "state"):
        (scene.folder / name).rename(scene.folder / f"{name} of before")
    scene.script = script
    scene.live()
    applied = (
        f"INSERT INTO _prisma_migrations VALUES ('x', 'x', now(), '{EXTRA}', NULL, NULL, now(), 1)"  # noqa: S608 - all of it is written here
    )
    gone = f"DELETE FROM _prisma_migrations WHERE migration_name = '{EXTRA}'"  # noqa: S608 - as above
    with scene.records.changed(applied, gone):
        yield


def test_code_on_a_schema_that_only_grew_goes_back_by_kubernetes(scene: Scene) -> None:
    found = scene.choose()
    assert found.outcome is Outcome.PASS, found.said
    assert found.choice.plan is not None
    assert found.choice.plan.methods == ("kubernetes",)
    assert found.choice.plan.stays == ("the schema: its 1 new migrations only add",)
    kubectl = "kubectl --context eu-1 -n unified-health"
    assert found.commands.splitlines()[:2] == [
        "apply v1.1.0",
        f"{kubectl} scale deployment/unified-health-api-v1.1.0 --replicas=3",
    ]
    assert '"version": "v1.1.0"' in found.commands
    assert "sentinel" not in found.commands


@cases(
    "told changed said",
    {
        "the old Deployment is gone": (
            *(
                {"replicas": {"1.2.0": 3}},
                {},
                "FAIL: unified-health-api-v1.1.0 of the baseline is gone",
            ),
        ),
        "no command for the configuration": (
            *({}, {"rollback": {}}, "FAIL: the environment lacks rollback.configuration"),
        ),
        "the schema alone is in force": (LIVE, {}, "FAIL: only the schema is in force"),
        "the cluster can't be read": ({}, {"cluster": NOBODY}, "ERROR: connection refused"),
        "the registry can't be read": ({}, {"aws": NOBODY}, "ERROR: registry, "),
        "no registry is described": (
            *({}, {"images": None}, "INCONCLUSIVE: the environment lacks the section images"),
        ),
    },
)
def test_what_is_broken_or_unseen_chooses_nothing(
    scene: Scene, told: dict[str, Any], changed: dict[str, Any], said: str
) -> None:
    scene.cluster.tell(**{**NORMAL, **told})
    scene.choose(**changed).says(said)


def test_a_command_that_holds_a_secret_is_never_printed(scene: Scene) -> None:
    found = scene.choose(rollback={"configuration": f"curl -H 'Authorization: {TOKEN}' …"})
    found.says("ERROR: holds a secret")
    assert TOKEN not in str([one.record() for one in found.judgements])


def test_a_release_file_that_denies_a_change_is_not_believed(scene: Scene) -> None:
    changes = {part: part in ("code", "configuration") for part in PARTS}
    scene.describe("v1.2.0", "v1.1.0", changes=changes)
    scene.choose().says("INCONCLUSIVE: release.yaml says that schema does not change, and it did")


def test_a_release_file_that_names_another_version_before_is_not_believed(scene: Scene) -> None:
    scene.describe("v1.2.0", "v1.0.0")
    scene.choose().says("FAIL: was v1.1.0 before, and release.yaml replaces v1.0.0")


def test_without_a_release_file_or_a_baseline_nothing_is_chosen(scene: Scene) -> None:
    (scene.folder / "releases" / "v1.2.0" / "release.yaml").unlink()
    assert scene.choose().outcome is Outcome.INCONCLUSIVE
    scene.describe("v1.2.0", "v1.1.0")
    (scene.folder / "state").rename(scene.folder / "elsewhere")
    scene.choose().says("INCONCLUSIVE: there is no baseline")


def test_a_migration_that_takes_away_leads_to_the_database_with_the_real_backup(
    scene: Scene,
) -> None:
    lost = "INSERT INTO patients (id, name, region) VALUES ('new', 'sentinel-9f2', 'eu')"
    with (
        migrated(scene, CONTRACT),
        scene.records.changed(lost, "DELETE FROM patients WHERE id = 'new'"),
    ):
        found = scene.choose()
    assert found.outcome is Outcome.PASS, found.said
    plan = found.choice.plan
    assert plan is not None
    assert plan.methods == ("database", "kubernetes")
    assert plan.lost == {"patients": 1, "appointments": 0}
    assert plan.restores.startswith("pre-migration.dump, ")
    assert plan.restores.endswith("made before the baseline: more is lost than is counted")
    newest = scene.records.backups / "pre-migration.dump"
    assert (
        f"pg_restore -h localhost -p {scene.records.database.port} --exit-on-error"
        in found.commands
    )
    assert f" {newest}" in found.commands
    assert plan.no_return == "Put the restored database in the place of the live one"
    assert "sentinel" not in found.commands


def test_the_printed_commands_restore_the_backup_and_keep_what_was_there(scene: Scene) -> None:
    """Its kubectl commands need a cluster that can be changed; the database's are run as they stand."""
    added = "INSERT INTO patients (id, name, region) VALUES ('new', 'sentinel-9f2', 'eu')"
    with migrated(scene, CONTRACT), scene.records.changed(added, "SELECT 1"):
        plan = scene.choose().choice.plan
    assert plan is not None
    steps = [
        one for one in plan.steps if one.way == "database" and "kubectl" not in one.commands[0]
    ]
    programs = f"{sandbox_postgres.programs()}:{os.environ['PATH']}"
    login = {"PATH": programs, "PGUSER": "postgres", "PGPASSWORD": PASSWORD, "LC_ALL": "C"}
    for command in (command for one in steps for command in one.commands):
        subprocess.run(("/bin/bash", "-c", command), cwd=scene.folder, env=login, check=True)
    (aside,) = re.findall(r"--file=(\w+)\.dump", str(steps[1].commands))
    try:
        assert _patients(scene) == 21
        assert (scene.folder / f"{aside}.dump").stat().st_size
    finally:
        back = (
            "DROP DATABASE clinic",
            f'ALTER DATABASE "{aside}" ALLOW_CONNECTIONS true',
            f'ALTER DATABASE "{aside}" RENAME TO clinic',
        )
        with scene.records.database.session(database="postgres") as connection:
            for statement in back:
                connection.execute(statement.encode())
    assert _patients(scene) == 22
    with scene.records.superuser() as connection:
        connection.execute(b"DELETE FROM patients WHERE id = 'new'")


def _patients(scene: Scene) -> int:
    with scene.records.database.session(database="clinic") as connection:
        row = connection.execute(b"SELECT count(*) FROM patients").fetchone()
    assert row is not None
    return int(str(row[0]))


@cases(
    "tried said",
    {
        "rows changed": (None, "INCONCLUSIVE: changes rows"),
        "rows changed, tried with success": ("passed", "PASS: "),
        "rows changed, tried in vain": ("failed", "PASS: "),
        "rows changed, tried without an end": (
            *("undecided", "INCONCLUSIVE: says that the version before undecided"),
        ),
    },
)
def test_what_sql_alone_does_not_settle_is_settled_by_a_try(
    scene: Scene, tried: str | None, said: str
) -> None:
    if tried is not None:
        write_evidence(scene.folder, "rollback-test", {}, result=tried)
    with migrated(scene, ROWS):
        found = scene.choose()
    found.says(said)
    ways = {"passed": ("kubernetes",), "failed": ("database", "kubernetes")}
    plan = found.choice.plan
    assert (None if plan is None else plan.methods) == ways.get(tried or "")


def test_a_fix_that_is_ready_spares_the_restore(scene: Scene) -> None:
    images = {name: image_digest(name, "1.2.0") for name in REPOSITORIES}
    scene.describe("v1.2.1", "v1.2.0", kind="hotfix", images=images)
    with migrated(scene, CONTRACT):
        missing = scene.choose().choice.plan
        scene.registry.tell(image_versions=["1.1.0", "1.2.0", "1.2.1"])
        scene.describe("v1.2.1", "v1.2.0", kind="hotfix")
        ready = scene.choose()
    scene.registry.tell(image_versions=["1.1.0", "1.2.0"])
    assert missing is not None
    assert "database" in missing.methods
    assert ready.choice.plan is not None
    assert ready.choice.plan.methods == ("roll forward",)
    assert "gate phase 1 --env clinic --release v1.2.1" in ready.commands


@cases(
    "broken said",
    {
        "cut off": ("cut", "is damaged"),
        "older than thought": ("old", "5 h old"),
        "all from after the migration": ("late", "is from before the migrations"),
        "not to be listed": ("hidden", "there is no"),
        "a restore test that failed": ("untested", "the last restore test failed"),
    },
)
def test_a_backup_that_can_not_be_relied_on_is_no_way_back(
    scene: Scene, broken: str, said: str
) -> None:
    with migrated(scene, CONTRACT):
        found = scene.choose(data={"backups": backups_with(scene, broken)})
    found.says(f"FAIL: {said}")
    assert found.choice.plan is None


def backups_with(scene: Scene, broken: str) -> dict[str, str]:
    """Copy the backups and break them."""
    folder, test = scene.folder / "backups", scene.folder / "restore-test.json"
    shutil.copytree(scene.records.backups, folder)
    result = "failed" if broken == "untested" else "passed"
    test.write_text(json.dumps(a_restore_test(result=result)))
    for file in folder.iterdir():
        at = file.stat().st_mtime
        if broken == "cut":
            file.write_bytes(file.read_bytes()[:-2000])
        if hours := {"old": -5, "late": 1}.get(broken, 0):
            at = time.time() + 3600 * hours
        os.utime(file, (at, at))
    if broken == "hidden":
        shutil.rmtree(folder)
    programs = str(sandbox_postgres.programs() / "pg_restore")
    return {"location": str(folder), "restore_test": str(test), "pg_restore": programs}
