"""Makes the recordings anew: `python -m prove.kubernetes.record FOLDER`, where kube-apiserver lies."""

from __future__ import annotations

import json
import pathlib
import re
import sys
import tempfile
from typing import Any

from prove.kubernetes.control_plane import Json, control_plane
from prove.kubernetes.kubelets import Kubelets
from prove.kubernetes.recordings import FOLDER, WHOLE
from prove.kubernetes.situations import STEPS, prepare
from prove.kubernetes.world import World
from sandbox.systems.standin_servers import RBAC
from tests.deploy import kubectl

_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_CHANGING = re.compile(r'"(?:resourceVersion|lastHeartbeatTime)":"[^"]*"')


def main(programs: str) -> None:
    """Run everything, and write a file for each situation."""
    with (
        tempfile.TemporaryDirectory(prefix="recording-") as work,
        control_plane(pathlib.Path(programs), pathlib.Path(work)) as (plane, api),
    ):
        kubelets = Kubelets(api)
        kubelets.start()
        world = World(plane, api, kubelets, kubectl.program())
        version = str(api.get("/version")["gitVersion"])
        try:
            prepare(world, RBAC.read_text(encoding="utf-8"))
            for step in STEPS:
                sys.stdout.write(f"{step.__name__}\n")
                step(world)
        finally:
            kubelets.stop()
            FOLDER.mkdir(exist_ok=True)
            whole = world.recordings[WHOLE]
            for name, recording in world.recordings.items():
                text = written(version, recording, whole)
                (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")


def written(version: str, recording: Json, whole: Json) -> str:
    """Return a recording as a text with one line for each object and each answer.

    A list that is as it is in the whole recording is left out: see recordings.load.
    """
    lists = [
        f" {_line(kind)}: {_list(found)}"
        for kind, found in recording["lists"].items()
        if recording is whole or _settled(found) != _settled(whole["lists"][kind])
    ]
    answers = (_line({**one, "body": _body(one["body"])}) for one in recording["answers"])
    parts = (
        f'"server": {_line(version)}',
        f'"means": {_line(recording["means"])}',
        '"lists": {\n' + ",\n".join(lists) + "\n}",
        '"answers": [\n' + ",\n".join(answers) + "\n]",
    )
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _settled(found: Json) -> list[str]:
    """Return a list without what changes by itself."""
    return [_CHANGING.sub("", _line(one)) for one in _kept(found)]


def _list(found: Json) -> str:
    head = _line({**found, "items": []}).removesuffix("[]}")
    return f"{head}[\n" + ",\n".join(map(_line, _kept(found))) + "\n ]}"


def _line(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _kept(found: Json) -> list[Json]:
    """Return a list's objects but for the certificates that every namespace has a ConfigMap of."""
    return [
        _trimmed(one) for one in found["items"] if one["metadata"]["name"] != "kube-root-ca.crt"
    ]


def _body(body: Any) -> Any:
    """Return the body of an answer with its objects trimmed."""
    if not isinstance(body, dict) or "kind" not in body:
        return body
    if "items" in body:
        return {**body, "items": [_trimmed(one) for one in body["items"]]}
    return _trimmed(body) if "name" in body.get("metadata", {}) else body


def _trimmed(item: Json) -> Json:
    """Leave out who wrote which field, and what kubectl applied: half of every object but a ConfigMap."""
    if "data" in item:
        return item
    metadata = dict(item["metadata"])
    metadata.pop("managedFields", None)
    if _APPLIED in metadata.get("annotations", {}):
        metadata["annotations"] = {**metadata["annotations"], _APPLIED: "{}\n"}
    return {**item, "metadata": metadata}


if __name__ == "__main__":
    main(*sys.argv[1:])
