from __future__ import annotations

import pathlib
import socket
import threading

import pytest
from pydantic import SecretStr

from probes import files
from probes.files import EvidenceStore
from probes.observation import Deadline, FailureKind, Observation
from tests.probes.servers import answer, brought, closed_port, failed, read_request, serving


def read(store: EvidenceStore) -> Observation[files.EvidenceFile]:
    return files.evidence(store, "v1.2.0", "image-build", deadline=Deadline.after(5))


def document(folder: pathlib.Path, content: bytes) -> None:
    (folder / "v1.2.0").mkdir()
    (folder / "v1.2.0" / "image-build.json").write_bytes(content)


class TestFolder:
    def test_a_document_is_read_with_its_digest(self, tmp_path: pathlib.Path) -> None:
        document(tmp_path, b"{}")
        seen = read(EvidenceStore(folder=tmp_path))
        assert brought(seen).content == b"{}"
        assert seen.record()["facts"] == {
            "present": True,
            "size_bytes": 2,
            "sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        }

    def test_a_document_that_is_not_there_is_no_failure(self, tmp_path: pathlib.Path) -> None:
        seen = read(EvidenceStore(folder=tmp_path))
        assert brought(seen).content is None

    def test_a_folder_that_is_not_there_is_our_fault(self, tmp_path: pathlib.Path) -> None:
        seen = read(EvidenceStore(folder=tmp_path / "unmounted"))
        failed(seen, FailureKind.OUR_FAULT)

    def test_a_document_beyond_all_bounds_is_too_large(self, tmp_path: pathlib.Path) -> None:
        document(tmp_path, b" " * (files.MAX_EVIDENCE_BYTES + 1))
        seen = read(EvidenceStore(folder=tmp_path))
        failed(seen, FailureKind.TOO_LARGE)


class TestAddress:
    def test_a_document_is_read_below_it_with_the_token(self) -> None:
        asked: list[bytes] = []

        def behave(connection: socket.socket, _over: threading.Event) -> None:
            asked.append(read_request(connection))
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
            )

        with serving(behave) as server:
            seen = read(EvidenceStore(url=server.url, token=SecretStr("sentinel")))
        assert brought(seen).content == b"{}"
        assert asked[0].startswith(b"GET /v1.2.0/image-build.json ")
        assert b"Bearer sentinel" in asked[0]
        assert "sentinel" not in str(seen.record())

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            ("401 Unauthorized", FailureKind.CREDENTIAL_REFUSED),
            ("403 Forbidden", FailureKind.FORBIDDEN),
            ("503 Service Unavailable", FailureKind.SERVER_ERROR),
            ("302 Found", FailureKind.UNUSABLE_ANSWER),
        ],
    )
    def test_every_other_answer_is_a_failure(self, status: str, kind: FailureKind) -> None:
        with serving(answer(b"{}", status=status)) as server:
            seen = read(EvidenceStore(url=server.url))
        failed(seen, kind)

    def test_not_found_is_a_document_that_is_not_there(self) -> None:
        with serving(answer(b"{}", status="404 Not Found")) as server:
            seen = read(EvidenceStore(url=server.url))
        assert brought(seen).content is None

    def test_nothing_that_listens_is_refused(self) -> None:
        seen = read(EvidenceStore(url=f"http://127.0.0.1:{closed_port()}"))
        failed(seen, FailureKind.REFUSED)
