"""A null server beside this process, that imitates a scenario's answers: what remains is the generator."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from load._ask import Ask, Expect

_FILLER = "x" * 60


def answers(kinds: Sequence[Ask]) -> list[dict[str, Any]]:
    """Return a right answer to each kind of request, made of what the kind expects."""
    return [{"status": ask.expect.status, "body": _body(ask.expect)} for ask in kinds]


def _body(expect: Expect) -> Mapping[str, object]:
    made: dict[str, object] = dict.fromkeys(expect.present, _FILLER)
    return {**made, **expect.equal}


@contextlib.contextmanager
def null_server(kinds: Sequence[Ask]) -> Iterator[str]:
    """Run a null server in a process of its own; yields its address. Raises OSError."""
    with tempfile.TemporaryDirectory(prefix="null-server-") as folder:
        file = pathlib.Path(folder) / "answers.json"
        file.write_text(json.dumps(answers(kinds)), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "load._engine._null_server",
            "--answers",
            str(file),
            "--until-eof",
        ]
        with subprocess.Popen(  # noqa: S603 - our own module
            command,
            stdin=subprocess.PIPE,  # it ends with this process, however that ends
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for us: it is still asked while we end
            cwd=pathlib.Path(__file__).parent.parent,
        ) as server:
            try:
                address = server.stdout.readline().strip() if server.stdout is not None else ""
                if not address.startswith("http"):
                    raise OSError(5, "the null server did not start")
                yield address
            finally:
                server.terminate()
