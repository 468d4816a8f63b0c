from __future__ import annotations

import copy
import json
import pathlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from environments.store import DamagedRecordError, Folder, Objects, Place, Store, StoreError
from steps.kit.chain import Chain
from tests.probes.servers import closed_port

BUCKET = "gate-state"


@pytest.fixture(scope="module")
def object_store() -> Iterator[str]:
    """Return the address of an S3 with one bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=BUCKET)
        yield endpoint
    server.stop()


@pytest.fixture(params=["folder", "object store"])
def place(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Place:
    """Return each kind of place."""
    if request.param == "folder":
        return Folder(tmp_path / "state")
    endpoint = request.getfixturevalue("object_store")
    return Objects(f"s3://{BUCKET}/{tmp_path.name}", endpoint)


def test_a_record_is_read_as_it_was_added_and_never_changed(place: Place) -> None:
    store = Store(place)
    address = store.add("local/v1.2.0/phase-1/r1.json", {"run": "r1", "of": ["eu", "Zürich"]})
    assert address == f"{place.url}/local/v1.2.0/phase-1/r1.json"
    with pytest.raises(StoreError, match=r"phase-1/r1\.json cannot be added to"):
        store.add("local/v1.2.0/phase-1/r1.json", {"run": "r2"})
    assert store.read("local/v1.2.0/phase-1/r1.json") == {"run": "r1", "of": ["eu", "Zürich"]}


def test_records_come_newest_first_and_no_folder_holds_none(place: Place) -> None:
    store = Store(place)
    for run in ("20260101T1", "20260103T1", "20260102T1"):
        store.add(f"f/{run}.json", {"run": run})
    assert store.newest_first("f") == [f"f/2026010{day}T1.json" for day in (3, 2, 1)]
    assert store.newest_first("nowhere") == []


def test_two_runners_that_add_to_a_chain_at_once_lose_nothing(place: Place) -> None:
    """Each with a client of its own, as on two machines: who comes second follows the first."""

    def runner(name: str) -> list[str]:
        own = copy.copy(place)
        chain = Chain(Store(own), "prod/v1.2.0/bundles", {"release": "v1.2.0"})

        def add(run: str) -> str:
            chain.append(lambda _: {"run": run})
            return run

        return [add(f"{name}-{at}") for at in range(6)]

    with ThreadPoolExecutor(2) as pool:
        added = [*pool.map(runner, ("eu", "us"))]
    records = Chain(Store(place), "prod/v1.2.0/bundles", {"release": "v1.2.0"}).records()
    kept = [record["run"] for record in records]
    assert sorted(kept) == sorted(one for each in added for one in each)
    for each in added:
        assert [one for one in kept if one in each] == each


DAMAGES = {
    "one word": lambda data: data.replace(b"HOLD", b"GO"),
    "half of it gone": lambda data: data[: len(data) // 2],
    "no JSON": lambda _: b"GO",
    "another shape": lambda _: b"[]",
    "no digest": lambda data: json.dumps({"record": json.loads(data)["record"]}).encode(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_changed_record_is_damaged_and_never_read(tmp_path: pathlib.Path, damage: object) -> None:
    store = Store(Folder(tmp_path))
    path = pathlib.Path(store.add("f/r1.json", {"decision": "HOLD"}))
    assert callable(damage)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DamagedRecordError, match="damaged: it does not match its digest"):
        store.read("f/r1.json")


def test_what_a_folder_refuses_is_one_sentence(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match=r"cannot be added to: Not a directory\. Fix"):
        Store(Folder(tmp_path / "file")).add("f/r1.json", {})
    with pytest.raises(StoreError, match=r"cannot be read: No such file"):
        Store(Folder(tmp_path)).read("f/r1.json")


def test_an_object_store_that_does_not_answer_is_one_sentence_and_no_bucket_takes_no_record(
    object_store: str,
) -> None:
    with pytest.raises(StoreError, match=r"s3://nowhere/x/f/r1\.json cannot be added to"):
        Store(Objects("s3://nowhere/x", object_store)).add("f/r1.json", {})
    nobody = Store(Objects(f"s3://{BUCKET}/x", f"http://127.0.0.1:{closed_port()}"))
    with pytest.raises(StoreError, match=r"s3://gate-state/x/f cannot be read: \w+\. Fix"):
        nobody.newest_first("f")


def test_an_address_that_nothing_installed_opens_says_which_do() -> None:
    """Mistyped, or without its driver."""
    for kind in ("s4", "gs"):
        with pytest.raises(StoreError, match=r"such an address; use a folder or s3://\. Fix"):
            Store(Objects(f"{kind}://bucket/gate", None)).read("f/r1.json")
