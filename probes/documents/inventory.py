"""Software bills of materials: CycloneDX 1.2 to 1.7 and SPDX 2.2 and 2.3, as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from probes.documents.parts import (
    About,
    DocumentError,
    Many,
    Part,
    digests_in,
    moments,
    read_as,
    read_json,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Inventory:
    """What something is made of."""

    about: About
    packages: int
    """What it lists, the thing itself not counted."""


class _Hash(Part):
    alg: str
    content: str


class Component(Part):
    """What a CycloneDX document is about, and each thing that it lists."""

    name: str = ""
    version: str = ""
    purl: str = ""
    hashes: Many[_Hash] = ()
    components: Many[Mapping[str, Any]] = ()


class _Metadata(Part):
    timestamp: str | None = None
    component: Component = Component()


class CycloneDx(Part):
    """The parts of a CycloneDX document that are read of an inventory."""

    bomFormat: Literal["CycloneDX"]
    specVersion: Literal["1.2", "1.3", "1.4", "1.5", "1.6", "1.7"]
    metadata: _Metadata = _Metadata()
    components: Many[Mapping[str, Any]] = ()

    @property
    def about(self) -> About:
        """When it was made, and of which image."""
        thing = self.metadata.component
        hashes = (f"sha256:{one.content}" for one in thing.hashes if one.alg == "SHA-256")
        digests = digests_in(thing.version, thing.purl.replace("%3A", ":"), *hashes)
        return About("CycloneDX", moments(self.metadata.timestamp), digests=digests)

    def listed(self) -> Iterator[Component]:
        """Yield each component, those within others too; raises DocumentError."""
        left = list(self.components)
        while left:
            component = read_as(Component, left.pop(), "CycloneDX")
            left += component.components
            yield component


class _Creation(Part):
    created: str


class _Checksum(Part):
    algorithm: str
    checksumValue: str


class _Reference(Part):
    referenceLocator: str = ""


class _Package(Part):
    SPDXID: str
    versionInfo: str = ""
    checksums: Many[_Checksum] = ()
    externalRefs: Many[_Reference] = ()


class _Relationship(Part):
    spdxElementId: str
    relationshipType: str
    relatedSpdxElement: str


class _Spdx(Part):
    spdxVersion: Literal["SPDX-2.2", "SPDX-2.3"]
    creationInfo: _Creation
    documentDescribes: Many[str] = ()
    packages: Many[_Package] = ()
    relationships: Many[_Relationship] = ()


def read(content: bytes) -> Inventory:
    """Read an inventory of either format; raises DocumentError."""
    record = read_json(content)
    if "spdxVersion" in record:
        return _of_spdx(read_as(_Spdx, record, "SPDX 2.2 or 2.3"))
    if "@graph" in record:
        raise DocumentError("The file is SPDX 3; write SPDX 2.3 or CycloneDX.")
    document = read_as(CycloneDx, record, "CycloneDX 1.2 to 1.7 or SPDX 2.2 or 2.3")
    return Inventory(document.about, sum(1 for _ in document.listed()))


def _of_spdx(document: _Spdx) -> Inventory:
    described = set(document.documentDescribes)
    for one in document.relationships:
        if (one.spdxElementId, one.relationshipType) == ("SPDXRef-DOCUMENT", "DESCRIBES"):
            described.add(one.relatedSpdxElement)
    things = [one for one in document.packages if one.SPDXID in described]
    sums = [
        f"sha256:{each.checksumValue}"
        for one in things
        for each in one.checksums
        if each.algorithm == "SHA256"
    ]
    purls = [
        each.referenceLocator.replace("%3A", ":") for one in things for each in one.externalRefs
    ]
    digests = digests_in(*(one.versionInfo for one in things), *sums, *purls)
    about = About("SPDX", moments(document.creationInfo.created), digests=digests)
    return Inventory(about, len(document.packages) - len(things))
