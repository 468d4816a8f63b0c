"""For `--dry`: the process asks nobody, starts nothing, and writes into its own folder alone."""

from __future__ import annotations

import os
import pathlib
import sys

_OUTSIDE = (
    *("socket.connect", "socket.getaddrinfo", "socket.gethostby", "socket.send", "socket.bind"),
    *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.kill"),
)
_CHANGES = (
    *("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate"),
    *("os.chmod", "os.chown", "os.utime", "os.setxattr", "os.removexattr"),
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def refuse_everything_but(folder: pathlib.Path) -> None:
    """Refuse, from now to the end of the process, whatever could be seen outside of `folder`.

    Python itself reports each such act to an audit hook before it is done (PEP 578), whichever library
    wants it; the refusal is an OSError, which probes take for a network that leads nowhere.
    """
    own = folder.resolve()

    def elsewhere(path: object) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False  # an open file
        return not pathlib.Path(os.fsdecode(path)).resolve().is_relative_to(own)

    def refuse(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith(_OUTSIDE):
            raise PermissionError(13, f"{event} in a dry run")
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES:
            changed = arguments[:1]
        else:
            changed = arguments if event.startswith(_CHANGES) else ()
        if any(map(elsewhere, changed)):
            raise PermissionError(13, f"{event} in a dry run")

    sys.addaudithook(refuse)
