"""Exceptions from findings, each with its reason: OpenVEX, and CycloneDX as a VEX document.

Only `not_affected` with a reason is one. Of several statements about one thing the latest counts, so what
turned out to be affected after all is affected.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping

from pydantic import Field

from probes.documents.parts import (
    About,
    DocumentError,
    Many,
    Part,
    Weakness,
    digests_in,
    moments,
    plain_purl,
    read_as,
    read_json,
)
from probes.documents.vulnerabilities import CycloneDxVulnerabilities


@dataclasses.dataclass(frozen=True, slots=True)
class Exempted:
    """A statement about one vulnerability in one thing."""

    id: str
    product: str
    """A package, or an image that it is in: a purl without qualifiers, or an image's digest."""
    parts: tuple[str, ...]
    """Packages of that image; none: all of it."""
    reason: str
    """Empty: no exception, since it is affected, fixed or being looked into, or nobody says why not."""
    at: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class Exceptions:
    """The statements of one document."""

    about: About
    statements: tuple[Exempted, ...]

    def reason_for(self, found: Weakness, digests: tuple[str, ...]) -> str:
        """Return why a finding in an image of these digests is none; empty where it is one."""
        about = [one for one in self.statements if one.id in found.ids]
        about = [one for one in about if _is_about(one, found.package, digests)]
        latest = max((one.at for one in about), default=None)
        reasons = {one.reason for one in about if one.at == latest}
        return reasons.pop() if len(reasons) == 1 else ""


class _Identifiers(Part):
    purl: str = ""


class _Product(Part):
    id: str = Field(default="", alias="@id")
    identifiers: _Identifiers = _Identifiers()


class _Name(Part):
    name: str = ""
    id: str = Field(default="", alias="@id")
    aliases: Many[str] = ()


class _Statement(Part):
    vulnerability: _Name
    timestamp: str | None = None
    last_updated: str | None = None
    products: Many[dict[str, object]] = ()
    status: str
    justification: str = ""
    impact_statement: str = ""


class _OpenVex(Part):
    timestamp: str
    last_updated: str | None = None
    statements: list[_Statement]


def read(content: bytes) -> Exceptions:
    """Read a document of either format; raises DocumentError."""
    record = read_json(content)
    if "bomFormat" in record:
        name = "CycloneDX with vulnerabilities"
        return _of_cyclonedx(read_as(CycloneDxVulnerabilities, record, name))
    if not str(record.get("@context", "")).startswith("https://openvex.dev/ns"):
        raise DocumentError("The file is neither OpenVEX nor CycloneDX.")
    document = read_as(_OpenVex, record, "OpenVEX")
    made_at = moments(document.timestamp, document.last_updated)
    if not made_at:
        raise DocumentError("The file does not say when it was made, with a time zone.")
    statements = (one for each in document.statements for one in _exempted(each, max(made_at)))
    return Exceptions(About("OpenVEX", made_at), tuple(statements))


def _exempted(statement: _Statement, made_at: dt.datetime) -> Iterator[Exempted]:
    at = max(moments(statement.last_updated, statement.timestamp), default=made_at)
    why = statement.justification or statement.impact_statement
    reason = why if statement.status == "not_affected" else ""
    for product in statement.products:
        name = _name_of(product)
        listed = product.get("subcomponents") or []
        # What is not a list names nothing that could be left out.
        parts = tuple(map(_name_of, listed)) if isinstance(listed, list) else ("",)
        named = statement.vulnerability
        for known in {named.name or named.id, *named.aliases}:
            yield Exempted(known, name, parts, reason, at)


def _name_of(product: object) -> str:
    read = read_as(_Product, product, "OpenVEX")
    purl = read.identifiers.purl or read.id
    # The digest of an image stands in its purl: pkg:oci/api@sha256%3A…
    return next(iter(digests_in(purl.replace("%3A", ":"))), plain_purl(purl))


def _of_cyclonedx(document: CycloneDxVulnerabilities) -> Exceptions:
    made_at, purls = document.about.made_at, document.purls()
    if not made_at:
        raise DocumentError("The file does not say when it was made, with a time zone.")
    statements = [
        Exempted(name, _in_document(purls, each.ref), (), reason, made_at[0])
        for one in document.vulnerabilities
        for reason in [one.analysis.justification if one.analysis.state == "not_affected" else ""]
        for each in one.affects
        for name in one.names
    ]
    return Exceptions(document.about, tuple(statements))


def _in_document(purls: Mapping[str, str], ref: str) -> str:
    """Return what a reference leads to; of another document, what follows its #."""
    return plain_purl(purls.get(ref) or ref[ref.startswith("urn:cdx:") and ref.find("#") + 1 :])


def _is_about(statement: Exempted, package: str, digests: tuple[str, ...]) -> bool:
    if statement.product.startswith("sha256:"):
        inside = not statement.parts or any(_same(one, package) for one in statement.parts)
        return statement.product in digests and inside
    return not statement.parts and _same(statement.product, package)


def _same(named: str, package: str) -> bool:
    """Tell whether a package is the named one, whose version may be left open."""
    return bool(named) and named in {package, package.rpartition("@")[0]}
