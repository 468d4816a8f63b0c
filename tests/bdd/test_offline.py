"""A dry run's process asks, starts and writes nothing, whatever its code tries."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

from gates.load import ROOT

TRIES = """
import json, os, pathlib, socket, subprocess, sys
from bdd.offline import refuse_everything_but
own, other = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
refuse_everything_but(own)
tries = {
    "connect": lambda: socket.create_connection(("127.0.0.1", 9), 1),
    "connect a socket": lambda: socket.socket().connect(("127.0.0.1", 9)),
    "send a packet": lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"", ("127.0.0.1", 9)),
    "resolve": lambda: socket.getaddrinfo("localhost", 9),
    "start": lambda: subprocess.run(["true"]),
    "start by a shell": lambda: os.system("true"),
    "write": lambda: (other / "new").write_text("x"),
    "change": lambda: os.open(other / "old", os.O_RDWR),
    "make a folder": lambda: (other / "folder").mkdir(),
    "write its own": lambda: (own / "kept").write_text("x"),
    "rename into its own": lambda: (other / "old").rename(own / "old"),
    "rename out of its own": lambda: (own / "kept").rename(other / "kept"),
    "remove": lambda: (other / "old").unlink(),
    "read": lambda: (other / "old").read_text(),
}
done = []
for name, attempt in tries.items():
    try:
        attempt()
    except PermissionError:
        continue
    except OSError as exc:
        name += f": {exc}"
    done.append(name)
print(json.dumps(done))
"""


def test_only_its_own_folder_is_written_and_nobody_is_asked(tmp_path: pathlib.Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    (other / "old").write_text("x")
    line = [sys.executable, "-c", TRIES, str(own), str(other)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["write its own", "read"]
    assert [one.name for one in other.iterdir()] == ["old"]
