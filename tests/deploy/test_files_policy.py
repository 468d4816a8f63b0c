"""State and files of others in S3, under exactly the policy that operators apply."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from environments.store import Objects, Store
from probes import files
from probes.observation import Deadline
from sandbox.systems.delivery.aws.guard import Guard
from tests.checkout import ROOT
from tests.tables import cases

POLICY = json.loads((ROOT / "deploy" / "aws" / "files_policy.json").read_text(encoding="utf-8"))
OURS, BACKUPS, PATIENTS = (
    f"unified-health-{name}" for name in ("release-gate", "backups", "documents")
)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Return the address of an S3 that knows the gate's process as the gate."""
    guard = Guard(
        DomainDispatcherApplication(create_backend_app),
        POLICY,
        gate_key_id="the-gate",
        operator_key_id="an-operator",
    )
    server = make_server("127.0.0.1", 0, guard, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.port}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", url)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_ACCESS_KEY_ID", "an-operator")
        operator = boto3.Session().client("s3")
        for bucket in (OURS, BACKUPS, PATIENTS):
            operator.create_bucket(Bucket=bucket)
            operator.put_object(Bucket=bucket, Key="nightly/a.dump", Body=b"PGDMP")
        patch.setenv("AWS_ACCESS_KEY_ID", "the-gate")
        yield url
    server.shutdown()
    thread.join(timeout=5)
    server.server_close()


def test_records_are_added_found_and_read(endpoint: str) -> None:
    store = Store(Objects(f"s3://{OURS}/state", endpoint))
    store.add("prod/v1.2.0/r1.json", {"run": "r1"})
    assert store.newest_first("prod/v1.2.0") == ["prod/v1.2.0/r1.json"]
    assert store.read("prod/v1.2.0/r1.json") == {"run": "r1"}


@pytest.mark.usefixtures("endpoint")
def test_backups_are_found_and_read() -> None:
    found = files.listing(f"s3://{BACKUPS}/nightly", "*.dump", deadline=Deadline.after(10))
    assert found.value is not None, found.failure
    (backup,) = found.value.entries
    read = files.content(backup.address, deadline=Deadline.after(10))
    assert read.value is not None, read.failure
    assert read.value.data == b"PGDMP"


@cases(
    "order wanted",
    {
        "deleting a record": ("delete_object", {"Bucket": OURS, "Key": "state/r1.json"}),
        "writing elsewhere": ("put_object", {"Bucket": OURS, "Key": "files/a", "Body": b""}),
        "writing a backup": ("put_object", {"Bucket": BACKUPS, "Key": "a.dump", "Body": b""}),
        "reading another bucket": ("get_object", {"Bucket": PATIENTS, "Key": "nightly/a.dump"}),
        "listing another bucket": ("list_objects_v2", {"Bucket": PATIENTS}),
        "listing buckets": ("list_buckets", {}),
    },
)
@pytest.mark.usefixtures("endpoint")
def test_all_else_is_refused(order: str, wanted: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        getattr(boto3.Session().client("s3"), order)(**wanted)
