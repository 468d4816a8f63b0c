"""A real control plane on loopback: etcd, kube-apiserver, kube-controller-manager and kube-scheduler.

Only for making recordings anew (README.md beside this file says where the programs come from). The nodes are
simulated: see kubelets.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.probes.servers import closed_port, wait_until

Json = dict[str, Any]

ADMIN_TOKEN: Final = "admin-of-this-recording"  # noqa: S105 - of a server that lives for minutes on loopback
_START_SECONDS: Final = 120
_MERGE: Final = "application/merge-patch+json"


class Api:
    """The API server as one account sees it."""

    def __init__(self, url: str, ca_file: pathlib.Path, token: str) -> None:
        self.url = url
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=url, verify=str(ca_file), headers=headers, timeout=30)

    def answer(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask and return whatever comes."""
        return self._client.request(method, path, **options)

    def get(self, path: str, **params: str) -> Json:
        """Return an object or a list; raises httpx.HTTPStatusError."""
        return self._done("GET", path, params=params)

    def post(self, path: str, body: Mapping[str, Any]) -> Json:
        """Create something; raises httpx.HTTPStatusError."""
        return self._done("POST", path, json=body)

    def patch(self, path: str, body: Any, content_type: str = _MERGE, manager: str = "") -> Json:
        """Change something; raises httpx.HTTPStatusError."""
        params = {"fieldManager": manager} if manager else {}
        headers = {"Content-Type": content_type}
        content = json.dumps(body)
        return self._done("PATCH", path, content=content, headers=headers, params=params)

    def delete(self, path: str, body: Mapping[str, Any] | None = None) -> None:
        """Delete something; it may be gone already."""
        answer = self.answer("DELETE", path, json=body or {})
        if answer.status_code != 404:  # noqa: PLR2004 - gone already
            answer.raise_for_status()

    def _done(self, method: str, path: str, **options: Any) -> Json:
        answer = self.answer(method, path, **options)
        if answer.is_error:
            raise httpx.HTTPStatusError(answer.text, request=answer.request, response=answer)
        return dict(answer.json())


class ControlPlane:
    """The running programs and where they listen."""

    def __init__(self, programs: pathlib.Path, work: pathlib.Path) -> None:
        self._programs = programs
        self._work = work
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.port = closed_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.ca_file = work / "certificates" / "apiserver.crt"
        self.kubeconfig = work / "kubeconfig"

    def process(self, name: str) -> subprocess.Popen[bytes]:
        """Return a running program."""
        return self._running[name]

    def start(self) -> Api:
        """Start everything; raises AssertionError."""
        etcd = self._etcd()
        key = self._keys()
        (self._work / "tokens.csv").write_text(f"{ADMIN_TOKEN},admin,1,system:masters\n")
        self._run("kube-apiserver", *self._api_flags(etcd, key))
        wait_until(self.ca_file.exists, "the API server's certificate", _START_SECONDS)
        self._write_kubeconfig()
        api = Api(self.url, self.ca_file, ADMIN_TOKEN)
        wait_until(lambda: _is_ready(api), "the API server", _START_SECONDS)
        own = (f"--kubeconfig={self.kubeconfig}", "--leader-elect=false", "--secure-port=0")
        self._run(
            "kube-controller-manager",
            *own,
            f"--service-account-private-key-file={key}",
            f"--root-ca-file={self.ca_file}",
            "--node-monitor-grace-period=12s",
            "--node-monitor-period=1s",
        )
        self._run("kube-scheduler", *own)
        return api

    def stop(self) -> None:
        """End what was started here."""
        for process in reversed(self._running.values()):
            process.kill()
            process.wait()

    def _etcd(self) -> str:
        client, peer = (f"http://127.0.0.1:{closed_port()}" for _ in range(2))
        self._run(
            "etcd",
            f"--data-dir={self._work / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        )
        return client

    def _keys(self) -> pathlib.Path:
        key = rsa.generate_private_key(65537, 2048)
        file = self._work / "accounts.key"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        return file

    def _api_flags(self, etcd: str, key: pathlib.Path) -> list[str]:
        return [
            f"--etcd-servers={etcd}",
            "--etcd-compaction-interval=5s",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--cert-dir={self._work / 'certificates'}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            f"--token-auth-file={self._work / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--allow-privileged=true",
        ]

    def _run(self, name: str, *flags: str) -> None:
        found = self._programs / name
        program = str(found) if found.exists() else name
        with (self._work / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603 - the named programs of a control plane
                [program, *flags], stdout=log, stderr=log, env={"PATH": os.environ["PATH"]}
            )

    def _write_kubeconfig(self) -> None:
        server = {"server": self.url, "certificate-authority": str(self.ca_file)}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "recorded", "cluster": server}],
            "users": [{"name": "admin", "user": {"token": ADMIN_TOKEN}}],
            "contexts": [{"name": "it", "context": {"cluster": "recorded", "user": "admin"}}],
            "current-context": "it",
        }
        self.kubeconfig.write_text(json.dumps(document))


def _is_ready(api: Api) -> bool:
    try:
        return api.answer("GET", "/readyz").is_success
    except httpx.TransportError:
        return False


@contextlib.contextmanager
def control_plane(programs: pathlib.Path, work: pathlib.Path) -> Iterator[tuple[ControlPlane, Api]]:
    """Run a control plane until the block ends."""
    plane = ControlPlane(programs, work)
    try:
        yield plane, plane.start()
    finally:
        plane.stop()
