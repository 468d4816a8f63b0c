"""The six people who answer for the platform's releases: their keys, the approvers file, what they sign."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from environments.store import Folder, Store, StoreError
from gates.decide import statements
from gates.decide.statements import Link, Subject
from gates.load import load_policy
from probes import signatures
from sandbox.core.layout import RELEASE
from sandbox.core.state import write_private
from steps.kit.statements import chain_of, receive

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from sandbox.core.layout import Layout

PEOPLE = {
    "rosa.keller": ("Rosa Keller", ("release-manager", "devops-lead", "on-call-engineer")),
    "emil.haas": ("Emil Haas", ("engineering-manager",)),
    "quinn.adler": ("Quinn Adler", ("qa-lead",)),
    "sofia.lind": ("Sofia Lind", ("security-lead",)),
    "paul.moreau": ("Paul Moreau", ("product-manager",)),
    "vera.ito": ("Vera Ito", ("vp-engineering",)),
}
APPROVERS = "approvers.yaml"
DOCUMENTS = (
    *(
        "Pre-Launch Checklist",
        "Rollback Runbook",
        "Smoke Test Script",
        "Go-Live Communication Plan",
    ),
)
_AFTER_THE_SWITCH = ("H24-1", "H24-3", "H24-4", "H24-5", "H24-6")
_AFTER_A_ROLLBACK = (
    *("RB-FLAG-2", "RB-DB-7"),
    *(f"RB-{when}-{number}" for when in ("DAY", "WEEK") for number in range(1, 6)),
)
_KEPT_BEFORE = dt.timedelta(days=30)


def make(folder: Path) -> None:
    """Write each one's key and the approvers file into a folder; nobody has a passphrase."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    since = (dt.datetime.now(dt.UTC) - _KEPT_BEFORE).isoformat()
    people = {}
    for who, (name, roles) in PEOPLE.items():
        key = [{"key": _new_key(folder / who), "valid_from": since}]
        mail = f"{who}@unifiedhealth.example"
        people[who] = {"name": name, "roles": roles, "accounts": [mail], "keys": key}
    write_private(folder / APPROVERS, json.dumps({"schema": 1, "people": people}, indent=1) + "\n")


def lay_down(layout: Layout) -> None:
    """Make the people of a platform, and have them sign its release."""
    folder = layout.approvers.parent
    make(folder)
    sign_everything(folder, Store(Folder(layout.state.gate)), subject_of(layout))


def sign_afterwards(layout: Layout, taken_back: bool) -> None:  # noqa: FBT001 - as of a hook
    """Have them sign what counts only since the release went live, or was taken back: here they are quick.

    While a fault has the statements edited or the release's file lost, nobody can.
    """
    items = _AFTER_A_ROLLBACK if taken_back else _AFTER_THE_SWITCH
    with contextlib.suppress(StoreError, OSError):
        folder, store = layout.approvers.parent, Store(Folder(layout.state.gate))
        sign_everything(folder, store, subject_of(layout), only=items)


def subject_of(layout: Layout) -> Subject:
    """Return the platform's release, as statements are bound to it."""
    content = layout.release_file.read_bytes()
    digest, commit = hashlib.sha256(content).hexdigest(), json.loads(content)["commit"]
    return Subject("local", f"v{RELEASE}", digest, commit)


def sign_everything(
    folder: Path,
    store: Store,
    subject: Subject,
    *,
    only: Collection[str] | None = None,
) -> dict[str, list[str]]:
    """Have each of them sign all that is theirs by the policy, or what of it is in `only`.

    An envelope for each role. Returns what was signed, by who.
    """
    made_by: dict[str, list[str]] = {}
    by_policy = load_policy().statements.items
    # An approval of an emergency that lies ready would open a window for every deployment.
    rules = {item: rule for item, rule in by_policy.items() if rule.needed != "emergency"}
    chain, approvers = chain_of(store, subject), (folder / APPROVERS).read_text()
    for who, (name, roles) in PEOPLE.items():
        for role in roles:
            mine = {item: rule for item, rule in rules.items() if rule.roles[0] == role}
            items = {item: rule for item, rule in mine.items() if only is None or item in only}
            if items:
                made_by.setdefault(who, []).extend(items)
                signer = statements.Signer(who, name, role)
                files = tuple(Link("runbook.md", one.file) for one in items.values() if one.file)
                now = dt.datetime.now(dt.UTC)
                made = statements.attested(subject, signer, items, now, evidence=files)
                receive(chain, signed(made, folder / who), approvers)
    return made_by


def signed(statement: statements.Statement, key: Path) -> Mapping[str, object]:
    """Return a statement in its envelope, signed with a key of the platform."""
    payload = statement.payload()
    return signatures.signed(
        statements.PAYLOAD_TYPE, payload, key.read_bytes(), statements.NAMESPACE
    ).record()


def _new_key(file: Path) -> str:
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    write_private(file, pem.decode())
    write_private(file.with_name(f"{file.name}.pub"), f"{public}\n")
    return public
