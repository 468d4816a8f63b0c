"""The doctor on file systems: are as many measured as the environment says there are?"""

from __future__ import annotations

from settings.storage import FileSystems
from steps.kit.findings import Finding, Level, Subject
from steps.objectives.doctor_query import Asker
from steps.objectives.storage import free_shares

_SYSTEM = "storage"


def examine_storage(
    subject: Subject, region: str, name: str, kind: FileSystems, asker: Asker
) -> Finding:
    """Count the file systems of a kind in one region; raises UnreadableError."""
    query = free_shares(kind, subject.labels(region, kind.labels))
    count = len(asker.series(query))
    if count < kind.at_least:
        sentence = f"{count} file systems {name} are measured, wanted at least {kind.at_least}"
        mends = subject.key(f"storage.{name}", f"metrics and labels of all; {query} has {count}")
        return Finding(_SYSTEM, region, Level.BAD, sentence, (mends,))
    return Finding(_SYSTEM, region, Level.OK, f"{count} file systems {name} are measured")
