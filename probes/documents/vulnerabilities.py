"""Reports of vulnerabilities: JSON of Trivy and of Grype, and CycloneDX with `vulnerabilities`.

What a scanner left out by a rule of its own is read too: only an exception of the release (`exceptions.py`)
leaves anything out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from probes.documents.inventory import CycloneDx
from probes.documents.parts import (
    UNKNOWN,
    About,
    DocumentError,
    Many,
    Part,
    Scan,
    Weakness,
    digests_in,
    moments,
    plain_purl,
    read_as,
    read_json,
    severity,
    worst,
)

_OF_PACKAGES: Final = frozenset({"os-pkgs", "lang-pkgs"})


class _Identifier(Part):
    PURL: str = ""


class _TrivyFinding(Part):
    """A vulnerability, a secret or a misconfiguration."""

    VulnerabilityID: str = ""
    VendorIDs: Many[str] = ()
    RuleID: str = ""
    ID: str = ""
    Severity: str = "UNKNOWN"
    PkgName: str = ""
    PkgIdentifier: _Identifier = _Identifier()
    Status: str = ""


class _Modified(Part):
    Finding: _TrivyFinding = _TrivyFinding()


class _TrivyResult(Part):
    Class: str = ""
    Vulnerabilities: Many[_TrivyFinding] = ()
    Secrets: Many[_TrivyFinding] = ()
    Misconfigurations: Many[_TrivyFinding] = ()
    ExperimentalModifiedFindings: Many[_Modified] = ()


class _TrivyOs(Part):
    EOSL: bool = False


class _TrivyMetadata(Part):
    OS: _TrivyOs = _TrivyOs()
    RepoDigests: Many[str] = ()
    Commit: str = ""


class _TrivyTool(Part):
    Version: str = ""


class _Trivy(Part):
    SchemaVersion: Literal[2]
    CreatedAt: str | None = None
    ArtifactName: str
    Metadata: _TrivyMetadata = _TrivyMetadata()
    Results: Many[_TrivyResult] = ()
    Trivy: _TrivyTool = _TrivyTool()


class _GrypeId(Part):
    id: str
    severity: str = UNKNOWN


class _GrypeArtifact(Part):
    name: str = ""
    purl: str = ""


class _GrypeMatch(Part):
    vulnerability: _GrypeId
    relatedVulnerabilities: Many[_GrypeId] = ()
    artifact: _GrypeArtifact = _GrypeArtifact()


class _GrypeSource(Part):
    target: Any = None


class _GrypeTarget(Part):
    layers: Many[Any] = ()
    manifestDigest: str = ""
    repoDigests: Many[str] = ()


class _GrypeTool(Part):
    name: Literal["grype"]
    version: str = ""
    timestamp: str | None = None
    configuration: Mapping[str, Any] = {}


class _Grype(Part):
    matches: list[_GrypeMatch]
    ignoredMatches: Many[_GrypeMatch] = ()
    source: _GrypeSource = _GrypeSource()
    descriptor: _GrypeTool


class _Rating(Part):
    severity: str = UNKNOWN


class Analysis(Part):
    """What its makers say of a vulnerability."""

    state: str = ""
    justification: str = ""


class _Affected(Part):
    ref: str


class _Reference(Part):
    id: str = ""


class Rated(Part):
    """A vulnerability of a CycloneDX document."""

    id: str
    references: Many[_Reference] = ()
    ratings: Many[_Rating] = ()
    affects: Many[_Affected] = ()
    analysis: Analysis = Analysis()

    @property
    def names(self) -> tuple[str, ...]:
        """Its id and its other names."""
        return tuple(dict.fromkeys((self.id, *(one.id for one in self.references if one.id))))


class CycloneDxVulnerabilities(CycloneDx):
    """The parts of a CycloneDX document that are read of vulnerabilities."""

    vulnerabilities: list[Rated]

    def purls(self) -> Mapping[str, str]:
        """Return the package URL of each component by its reference."""
        return {
            str(one.get("bom-ref")): str(one.get("purl") or one.get("name"))
            for one in self.components
        }


def read(content: bytes) -> Scan:
    """Read a report of any of the formats; raises DocumentError."""
    record = read_json(content)
    if "SchemaVersion" in record:
        return _of_trivy(read_as(_Trivy, record, "a report of Trivy"))
    if "matches" in record:
        return _of_grype(read_as(_Grype, record, "a report of Grype"))
    if "bomFormat" in record:
        name = "CycloneDX with vulnerabilities"
        return _of_cyclonedx(read_as(CycloneDxVulnerabilities, record, name))
    raise DocumentError("The file is neither of Trivy, nor of Grype, nor CycloneDX.")


def _of_trivy(report: _Trivy) -> Scan:
    def gaps() -> Iterator[str]:
        if not any(one.Class in _OF_PACKAGES for one in report.Results):
            yield "it names no packages that were scanned"
        if report.Metadata.OS.EOSL:
            yield "the image's system gets no advisories any more: nobody says what is wrong with it"

    about = About(
        tool=f"Trivy {report.Trivy.Version}".strip(),
        made_at=moments(report.CreatedAt),
        commits=(report.Metadata.Commit.lower(),) if report.Metadata.Commit else (),
        digests=digests_in(*report.Metadata.RepoDigests),
        gaps=tuple(gaps()),
    )
    found = [
        _trivy_weakness(each)
        for one in report.Results
        for each in (*one.Vulnerabilities, *one.Secrets, *one.Misconfigurations)
        if each.Status != "PASS"
    ]
    left_out = (each.Finding for one in report.Results for each in one.ExperimentalModifiedFindings)
    return Scan(about, tuple(found), tuple(map(_trivy_weakness, left_out)))


def _trivy_weakness(found: _TrivyFinding) -> Weakness:
    ids = (found.VulnerabilityID or found.ID or found.RuleID, *found.VendorIDs)
    package = plain_purl(found.PkgIdentifier.PURL) or found.PkgName
    return Weakness(ids, severity(found.Severity), package)


def _of_grype(report: _Grype) -> Scan:
    tool, target = report.descriptor, report.source.target
    image = read_as(_GrypeTarget, target, "a report of Grype") if isinstance(target, dict) else None
    asked = [one for one in ("only-fixed", "only-notfixed") if tool.configuration.get(one)]
    gaps = [f"it was made with {one}, which leaves others out" for one in asked]
    empty = target is None if image is None else not image.layers
    if empty and not (report.matches or report.ignoredMatches):
        gaps.append("it names no layer of an image, so nothing was scanned")
    about = About(
        tool=f"Grype {tool.version}".strip(),
        made_at=moments(tool.timestamp),
        digests=digests_in(image.manifestDigest, *image.repoDigests) if image else (),
        gaps=tuple(gaps),
    )
    found, ignored = (
        tuple(_grype_weakness(one) for one in each)
        for each in (report.matches, report.ignoredMatches)
    )
    return Scan(about, found, ignored)


def _grype_weakness(match: _GrypeMatch) -> Weakness:
    found, others = match.vulnerability, match.relatedVulnerabilities
    package = plain_purl(match.artifact.purl) or match.artifact.name
    known = severity(found.severity)
    rated = known if known != UNKNOWN else worst(severity(one.severity) for one in others)
    return Weakness((found.id, *(one.id for one in others)), rated, package)


def _of_cyclonedx(document: CycloneDxVulnerabilities) -> Scan:
    purls, found = document.purls(), list[Weakness]()
    for one in document.vulnerabilities:
        rated = worst(severity(each.severity) for each in one.ratings)
        packages = [purls.get(each.ref, each.ref) for each in one.affects] or [""]
        found += [Weakness(one.names, rated, plain_purl(package)) for package in packages]
    about = document.about
    if not document.components:
        about = dataclasses.replace(about, gaps=("it lists no components that were scanned",))
    return Scan(about, tuple(found))
