"""What other tools leave behind, read strictly and within bounds: tests, scans, inventories, exceptions.

Each reader takes a file's bytes and returns typed facts, or raises DocumentError with a sentence of ours.
No file takes more than 2 s or 200 MB, whatever is in it. Nothing is judged here.
"""

from probes.documents import exceptions, inventory, junit, sarif, vulnerabilities
from probes.documents.parts import MAX_BYTES, SEVERITIES, UNKNOWN, About, DocumentError, read_json

__all__ = [
    "MAX_BYTES",
    "READERS",
    "SEVERITIES",
    "UNKNOWN",
    "About",
    "DocumentError",
    "exceptions",
    "inventory",
    "junit",
    "read_json",
    "sarif",
    "vulnerabilities",
]

READERS = {
    "junit": junit.read,
    "sarif": sarif.read,
    "vulnerabilities": vulnerabilities.read,
    "inventory": inventory.read,
    "exceptions": exceptions.read,
}
"""By format, as the policy calls it."""
