"""Backups in an object store: real dumps in moto's S3, judged like those in a folder."""

from __future__ import annotations

import io
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from gates.decide.outcome import Outcome
from probes import files
from probes.observation import Deadline, FailureKind
from probes.postgres import backup
from sandbox.systems.data import postgres as sandbox_postgres
from steps.kit.platform import Platform
from tests.probes.servers import closed_port
from tests.steps.records import Records, a_restore_test
from tests.steps.scenarios import judged

MAIN, APART = "clinic-backups", "clinic-backups-apart"
PG_RESTORE = str(sandbox_postgres.programs() / "pg_restore")


@pytest.fixture(scope="module")
def objects() -> Iterator[Any]:
    """Return a client of an S3 that the gate's process finds as it finds Amazon's."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        yield boto3.client("s3")
    server.stop()


@pytest.fixture
def platform(objects: Any, records: Records, tmp_path: pathlib.Path) -> Platform:
    """Return a platform whose two backups lie in one bucket, their copies in another."""
    for bucket in (MAIN, APART):
        objects.create_bucket(Bucket=bucket)
        # What a console's “create folder” leaves behind is not a backup.
        objects.put_object(Bucket=bucket, Key="postgres/", Body=b"")
        for name in ("nightly.dump", "pre-migration.dump"):
            data = (records.backups / name).read_bytes()
            objects.put_object(Bucket=bucket, Key=f"postgres/{name}", Body=data)
    said = json.dumps(a_restore_test()).encode()
    objects.put_object(Bucket=MAIN, Key="restore-test.json", Body=said)
    return placed(records, tmp_path)


def placed(records: Records, folder: pathlib.Path, **changes: str) -> Platform:
    """Return the platform with its backups in the buckets, or where `changes` say."""
    places = {
        "location": f"s3://{MAIN}/postgres",
        "kept_apart": f"s3://{APART}/postgres",
        "restore_test": f"s3://{MAIN}/restore-test.json",
        "pg_restore": PG_RESTORE,
    }
    return records.platform(folder, backups={**places, **changes})


def newest(objects: Any) -> str:
    """Return the key of the newest backup, as S3 says."""
    listed = objects.list_objects_v2(Bucket=MAIN, Prefix="postgres/")["Contents"]
    dumps = [one for one in listed if one["Key"].endswith(".dump")]
    return str(max(dumps, key=lambda one: one["LastModified"])["Key"])


def found(platform: Platform) -> dict[str, Outcome]:
    """Return what every check of backups finds, by sentence, without what is good."""
    checks = [judged(name, platform) for name in ("D1.1-1", "D1.1-2", "D1.1-3", "T1-FINAL-6")]
    judgements = [one for check in checks for one in check.noted()["eu"].judgements]
    assert judgements
    return {one.sentence: one.outcome for one in judgements if one.outcome is not Outcome.PASS}


@pytest.mark.usefixtures("platform")
def test_the_end_of_an_object_is_read_alone() -> None:
    observed = backup.contents(
        f"s3://{MAIN}/postgres/nightly.dump", PG_RESTORE, whole=False, deadline=Deadline.after(20)
    )
    assert observed.value is not None
    assert observed.value.ends is True


def test_a_real_dump_in_a_bucket_is_read_to_its_end(platform: Platform) -> None:
    assert found(platform) == {}


def test_one_that_was_cut_off_on_its_way_fails(objects: Any, platform: Platform) -> None:
    key = newest(objects)
    whole = objects.get_object(Bucket=MAIN, Key=key)["Body"].read()
    objects.put_object(Bucket=MAIN, Key=key, Body=whole[:-100])
    wrong = found(platform)
    assert set(wrong.values()) == {Outcome.FAIL}
    assert any("can't read it to its end" in sentence for sentence in wrong)
    assert any(f"the copy of {key.rpartition('/')[2]}" in sentence for sentence in wrong)


@pytest.mark.parametrize("location", [f"s3://{MAIN}/empty", "s3://clinic-nowhere/postgres"])
def test_a_place_without_a_backup_fails(
    objects: Any, platform: Platform, records: Records, tmp_path: pathlib.Path, location: str
) -> None:
    del objects, platform
    assert set(found(placed(records, tmp_path, location=location)).values()) == {Outcome.FAIL}


def test_a_store_that_does_not_answer_is_an_error(
    records: Records, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    assert set(found(placed(records, tmp_path)).values()) == {Outcome.ERROR}


def test_a_store_that_breaks_off_says_nothing_of_the_backup(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (records.backups / "nightly.dump").read_bytes()

    class BreaksOff(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise ConnectionResetError
            del size
            return super().read(len(whole) // 2)

    monkeypatch.setattr(files, "open_stream", lambda *_: BreaksOff(whole))
    observed = backup.contents("s3://x/y.dump", PG_RESTORE, whole=True, deadline=Deadline.after(20))
    assert observed.value is None
    assert observed.failure is not None
    assert observed.failure.kind is FailureKind.SERVER_ERROR
