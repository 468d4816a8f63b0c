"""A release that six people can sign: its file, the approvers, their keys, and a state of its own."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from environments.loader import Loaded
from environments.store import digest_of
from gates.decide import statements as rules
from gates.decide.release import Release
from gates.decide.statements import Ledger, Signer, Statement
from sandbox.systems.statements import people
from settings.policy import Policy
from steps.kit import statements
from steps.kit.platform import Platform
from steps.kit.statements import Books
from tests.steps.platforms import NOWHERE, a_platform

COMMIT = "5" * 40
RELEASE = {
    "schema": 1,
    "version": "v1.2.0",
    "previous": "v1.1.0",
    "kind": "standard",
    "commit": COMMIT,
    "changes": dict.fromkeys(
        ("code", "schema", "flags", "dns", "configuration", "assets", "alert_rules"), True
    ),
    "planned_start": "2026-12-05T22:00:00+00:00",
}
ALWAYS = {"windows": [{"opens": "Monday 00:00", "closes": "Monday 00:00"}]}
NOW = dt.datetime.now(dt.UTC)


@dataclasses.dataclass
class Scene:
    """One release, nothing signed yet."""

    folder: pathlib.Path
    release: dict[str, Any] = dataclasses.field(default_factory=lambda: dict(RELEASE))
    sections: dict[str, Any] = dataclasses.field(default_factory=lambda: {"deployment": ALWAYS})

    def __post_init__(self) -> None:
        people.make(self.folder / "people")
        self.write()

    @property
    def approvers(self) -> pathlib.Path:
        return self.folder / "people" / people.APPROVERS

    def write(self) -> None:
        """Write the release file anew."""
        file = self.folder / "releases" / "v1.2.0" / "release.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(self.release))

    def person(self, who: str, **changed: Any) -> Scene:
        """Change what the approvers file says of somebody."""
        held = json.loads(self.approvers.read_text())
        held["people"][who] |= changed
        self.approvers.write_text(json.dumps(held))
        return self

    def key(self, who: str, **changed: Any) -> Scene:
        """Change what the approvers file says of somebody's key."""
        keys = json.loads(self.approvers.read_text())["people"][who]["keys"]
        return self.person(who, keys=[{**keys[0], **changed}])

    @property
    def platform(self) -> Platform:
        signed = {"approvers": f"people/{people.APPROVERS}", "documents": DOCUMENTS}
        regions = {"eu": NOWHERE.format(1)}
        sections = {"state": {"url": "state"}, "statements": signed, **self.sections}
        return a_platform(self.folder, regions, **sections)

    @property
    def books(self) -> Books:
        return Books.of(self.platform.environment, self.platform.release)

    @property
    def asked(self) -> tuple[Loaded, Policy, Release]:
        """What statements are read for."""
        return self.platform.environment, self.platform.policy, self.platform.release

    @property
    def ledger(self) -> Ledger:
        return self.books.ledger(dt.datetime.now(dt.UTC))

    def statement(self, who: str, *items: str, role: str = "", **changed: Any) -> Statement:
        """Return what somebody would sign of items, changed."""
        name, roles = people.PEOPLE[who]
        by_policy = self.platform.policy.statements.items
        made = rules.attested(
            self.books.subject,
            Signer(who, name, role or roles[0]),
            {item: by_policy[item] for item in items},
            NOW,
        )
        return dataclasses.replace(made, **changed)

    def receive(self, envelope: Mapping[str, Any]) -> int:
        return statements.receive(self.books.chain, envelope, self.approvers.read_text())

    def sign(self, who: str, *items: str, key: str = "", **changed: Any) -> int:
        """Have somebody sign items, and the gate receive it; `key` is another one's."""
        made = self.statement(who, *items, **changed)
        return self.receive(people.signed(made, self.folder / "people" / (key or who)))

    def record(self, number: int) -> pathlib.Path:
        """Return the file of a receipt."""
        return self.folder / "state" / "clinic" / "v1.2.0" / "statements" / f"{number:06d}.json"

    def rewrite(self, number: int, change: Callable[[dict[str, Any]], object]) -> Scene:
        """Change a receipt as somebody would who may write the state: its digest fits again."""
        file = self.record(number)
        held = json.loads(file.read_text())
        change(held["record"])
        file.write_text(json.dumps({"sha256": digest_of(held["record"]), "record": held["record"]}))
        return self


DOCUMENTS = {
    name: f"https://docs.unifiedhealth.example/{number}"
    for number, name in enumerate(people.DOCUMENTS)
}
