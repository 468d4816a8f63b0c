"""Keeps a run's report somewhere else too: a folder, or an object store by its URL."""

from __future__ import annotations

import pathlib

from load._conclude import JSON_NAME, PAGE_NAME, CannotKeepError
from load._options import without_login


def deliver(folder: pathlib.Path, to: str) -> str:
    """Copy page and record below a folder or URL, under the run's name; return where they are.

    The record comes last and is read back: where it is, everything is. Before a run there is only a
    record without a result, and an address that takes nothing is found out. Raises CannotKeepError.
    """
    # Imported late: a driver takes a second, and most runs need none.
    from fsspec.core import url_to_fs  # noqa: PLC0415 - see above

    address = f"{to.rstrip('/')}/{folder.name}"
    try:
        system, root = url_to_fs(address)
        system.makedirs(root, exist_ok=True)
        for name in (one for one in (PAGE_NAME, JSON_NAME) if (folder / one).exists()):
            data = (folder / name).read_bytes()
            system.pipe_file(f"{root}/{name}", data)
            if system.cat_file(f"{root}/{name}") != data:
                raise OSError(5, "what was written cannot be read back")  # noqa: TRY301 - one place tells it
    except Exception as exc:  # each driver raises errors of its own
        why = exc.strerror if isinstance(exc, OSError) and exc.strerror else type(exc).__name__
        raise CannotKeepError(
            f"--report-to {without_login(to)}: the report cannot be kept there: {why}; it is still in "
            f"{folder}. Mend the address or the rights there, and run again."
        ) from exc
    return without_login(address)
