"""The evidence bundle: what a run left, was asked and decided, as one statement that names it by digest.

The statement is in-toto's test-result in a DSSE envelope; who has a key signs it. Each one names the one
before it of the same release and is itself named in the environment's state, so that none can be taken
away or put in another's place. It is made from the folded verdict and judges nothing.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import probes
from environments.loader import Loaded, described, shown
from environments.release_file import read_release
from environments.store import StoreError, digest_of, store_of
from environments.yaml_file import ConfigurationError, RequestError
from gates.decide.outcome import Decision, Meaning, Outcome
from gates.decide.release import Release
from gates.decide.verdict import Verdict
from gates.load import ROOT, Checks
from probes.observation import utc_now
from reports.writers import write_whole
from steps.kit.chain import Chain, Record

NAME = "bundle.json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"
ABOUT = "https://unifiedhealth.io/deployment-gate/run/v1"
"""Names what the predicate has no field for; whoever does not know it reads the rest."""
NAMESPACE = "gate-run"
"""Of the signatures: that of a person's statement never counts for a run."""
LATER = ("report.html",)
"""What `gate report` puts into a run's folder when the run is over: drawn from the verdict."""
QUESTION = ("gate", "window", "phase", "at")
ASKED = ("environment", "asked_as", "release", "sections", "only", "time_scale")
ENDED = ("run", "state", "decision", "exit_code", "regions", "started_at", "finished_at")
SCHEMA = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Sealing:
    """What a run's bundle is made with."""

    checks: Checks
    loaded: Loaded | None
    """The environment, whose state has the chain; None where it can't be read here."""

    @classmethod
    def elsewhere(cls, verdict: Verdict) -> Sealing:
        """Return that of a verdict which was made of others, where its environment may not be at hand."""
        try:
            loaded = described(verdict.env)
        except (ConfigurationError, RequestError):
            loaded = None
        return cls(Checks.of(loaded.checks) if loaded else Checks(), loaded)

    def seal(self, folder: pathlib.Path, verdict: Verdict) -> str | None:
        """Write the bundle of a run that has ended; return why the state does not have it, or None.

        Raises OSError where it can't be written.
        """
        stated = _statement(folder, verdict, self.configuration(verdict))
        stated["subject"] += built(self.loaded, verdict.release)
        key = key_of(self.loaded)

        def follows(records: Sequence[Record]) -> Record:
            before = digest_of(records[-1]) if records else None
            data = _written(stated, {"number": len(records) + 1, "previous": before}, key)
            write_whole(folder / NAME, data)
            return {**_entry(verdict), "bundle": hashlib.sha256(data.encode()).hexdigest()}

        why: object = "its environment can't be read here."
        if self.loaded is not None:
            try:
                chain_of(self.loaded, verdict.release or "").append(follows)
            except StoreError as exc:
                why = exc
            else:
                return None
        write_whole(folder / NAME, _written(stated, None, key))
        return f"the bundle of this run is not in the environment's state, so it can't be verified: {why}"

    def configuration(self, verdict: Verdict) -> list[dict[str, Any]]:
        """Return by name and digest what the run was asked and decided by."""
        commit = verdict.versions.get("commit")
        gate = {"name": "gate", "uri": f"pkg:generic/gate@{verdict.versions.get('gate')}"}
        lock = ROOT / "requirements.lock"
        return [
            gate | ({"digest": {"gitCommit": commit}} if commit else {}),
            *([_described("requirements.lock", lock)] if lock.is_file() else []),
            *([environment_file(self.loaded)] if self.loaded else []),
            *asked_by(self.checks),
        ]


def key_of(loaded: Loaded | None) -> bytes | None:
    """Return the key that an environment's runs are signed with, where this runner has one."""
    signing = loaded.settings.signing if loaded else None
    if loaded is None or signing is None or signing.key not in loaded.secrets:
        return None
    return f"{loaded.secret(signing.key).get_secret_value()}\n".encode()


def signer(loaded: Loaded | None) -> str | None:
    """Return the fingerprint of the key that this runner signs with; raises ConfigurationError."""
    key = key_of(loaded)
    if loaded is None or key is None:
        return None
    try:
        return probes.signatures.signed("", b"", key, NAMESPACE).signatures[0].keyid
    except probes.signatures.NotSignedError as exc:
        raise ConfigurationError(f"{shown(loaded.path)}: signing.key: {exc}.") from None


def built(loaded: Loaded | None, release: str | None) -> list[dict[str, Any]]:
    """Return what a release is made of, as its file says: that file, its commit, its images."""
    if loaded is None or release is None:
        return []
    try:
        bound = read_release(loaded, Release.parse(release))
    except (ConfigurationError, ValueError):
        return []
    parts = {"release.yaml": bound.digest, **bound.file.images}
    commit = {"name": "commit", "digest": {"gitCommit": bound.commit}, **_kind("commit")}
    named = [
        {"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}, **_kind("release")}
        for name, digest in parts.items()
    ]
    return [commit, *named]


def environment_file(loaded: Loaded) -> dict[str, Any]:
    """Return the file that says where everything is."""
    return _described(loaded.path.name, loaded.path, "environment")


def chain_of(loaded: Loaded, release: str) -> Chain:
    """Return where the state of an environment names the bundles of a release's runs."""
    name = loaded.settings.name
    whose = {"schema": SCHEMA, "environment": name, "release": release}
    return Chain(store_of(loaded), f"{name}/{release}/bundles", whose)


def asked_by(checks: Checks) -> list[dict[str, Any]]:
    """Return every file of catalogue, features and policy by its name and digest."""
    above = checks.features.parent
    kinds = {
        "catalogue": checks.features.rglob("*.csv"),
        "features": checks.features.rglob("*.feature"),
        "steps": checks.steps.glob("*.py") if checks != Checks() else (),
        "policy": checks.policy.glob("*.yaml"),
    }
    return [
        _described(file.relative_to(above).as_posix(), file, kind)
        for kind, files in kinds.items()
        for file in sorted(files)
    ]


def files_in(folder: pathlib.Path) -> dict[str, os.DirEntry[str]]:
    """Return what a run's folder holds but for its bundle, by name: links and strange things too."""
    found: dict[str, os.DirEntry[str]] = {}
    open_ = [("", str(folder))]
    while open_:
        above, path = open_.pop()
        for entry in os.scandir(path):
            name = f"{above}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                open_.append((f"{name}/", entry.path))
            elif name not in (NAME, *LATER):
                found[name] = entry
    return dict(sorted(found.items()))


def test_lists(verdict: Verdict) -> dict[str, list[str]]:
    """Return each check and region, `IV-HEALTH-1/eu`, in the one list in which it belongs."""
    lists: dict[str, list[str]] = {name: [] for name in _LISTS.values()}
    for check in verdict.checks:
        for region in verdict.region_names():
            word = verdict.cell(check, region)
            advisory = check.on_fail is Meaning.ADVISORY and word not in _GOOD
            lists["warnedTests" if advisory else _LISTS[word]].append(f"{check.id}/{region}")
    return lists


_GOOD = (Outcome.PASS, Outcome.NOT_APPLICABLE)
_LISTS: Mapping[str, str] = {
    "PASS": "passedTests",
    "WARNED": "warnedTests",
    "WAIVED": "warnedTests",
    "FAIL": "failedTests",
    "INCONCLUSIVE": "undecidedTests",
    "ERROR": "undecidedTests",
    "DOUBLED": "undecidedTests",
    "MISSING": "missingTests",
    "NOT_APPLICABLE": "notApplicableTests",
}
_IN_TOTO = ("passedTests", "warnedTests", "failedTests")


def _statement(
    folder: pathlib.Path, verdict: Verdict, configuration: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    record, lists = verdict.record(), test_lists(verdict)
    warned = "WARNED" if lists["warnedTests"] else "PASSED"
    about = {
        "schema": SCHEMA,
        **{key: record.get(key) for key in ENDED},
        "question": {key: record[key] for key in QUESTION},
        **{key: record.get(key) for key in ASKED},
        "requirements": [_requirement(one) for one in record["checks"]],
        **{name: tests for name, tests in lists.items() if name not in _IN_TOTO},
        "joined": [_source(one) for one in record.get("joined", ())],
    }
    return {
        "_type": STATEMENT,
        "subject": [
            _described(name, pathlib.Path(entry.path))
            for name, entry in files_in(folder).items()
            if entry.is_file(follow_symlinks=False)
        ],
        "predicateType": PREDICATE,
        "predicate": {
            "result": warned if verdict.is_go else "FAILED",
            "configuration": list(configuration),
            **{name: lists[name] for name in _IN_TOTO},
            ABOUT: about,
        },
    }


def _requirement(check: Mapping[str, Any]) -> dict[str, Any]:
    return {key: check[key] for key in ("id", "on_fail", "stage", "not_applicable")}


def _source(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run that was joined, by the digests of its verdict and, where it has one, its bundle."""
    bundle = pathlib.Path(one["folder"]) / NAME
    known = {"run": one["run"], "verdict": one["sha256"]}
    return known | ({"bundle": sha256_of(bundle)} if bundle.is_file() else {})


def _written(stated: Mapping[str, Any], place: Mapping[str, Any] | None, key: bytes | None) -> str:
    """Return the envelope of a statement as its file holds it; `place` is where the chain has it."""
    predicate = stated["predicate"]
    about = {**predicate[ABOUT], "chain": place}
    whole = {**stated, "predicate": {**predicate, ABOUT: about}}
    payload = json.dumps(whole, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    if key is not None:
        return as_file(probes.signatures.signed(PAYLOAD_TYPE, payload, key, NAMESPACE).record())
    encoded = base64.b64encode(payload).decode()
    return as_file({"payloadType": PAYLOAD_TYPE, "payload": encoded, "signatures": []})


def as_file(envelope: Mapping[str, Any]) -> str:
    """Return an envelope in its one spelling."""
    return json.dumps(envelope, indent=1) + "\n"


def _entry(verdict: Verdict) -> dict[str, Any]:
    """Return what the chain says of a run, to be read without its folder."""
    record = verdict.record()
    asked = {key: record[key] for key in QUESTION}
    at = utc_now().isoformat(timespec="milliseconds")
    kept = {key: record[key] for key in ("run", "state", "decision", "regions", "started_at")}
    later = {key: record[key] for key in ("deferred", "only") if record.get(key)}
    if verdict.overridden:
        later["overridden"] = verdict.overridden.run
    if verdict.only:
        bad = {one.region for one in verdict.reasons if one.check}
        later["bad"] = sorted(verdict.regions if None in bad else bad)
    return {"received_at": at, **asked, **kept, **later}


def bad_in(record: Record) -> frozenset[str]:
    """Return the regions in which a run, as the chain has it, found something that is not good.

    HOLD is the best of a part of the checks (`--only`): there only what its own checks found counts.
    """
    if record.get("only"):
        return frozenset(record.get("bad", record["regions"]))
    return frozenset(where for where, said in record["regions"].items() if said != Decision.GO)


def _described(name: str, path: pathlib.Path, kind: str = "") -> dict[str, Any]:
    """Return a file as in-toto's resource descriptor."""
    return {"name": name, "digest": {"sha256": sha256_of(path)}, **(_kind(kind) if kind else {})}


def _kind(kind: str) -> dict[str, Any]:
    """Return the annotation that says what a descriptor is of; a run's own files have none."""
    return {"annotations": {"kind": kind}}


def sha256_of(path: pathlib.Path) -> str:
    """Return the digest of a file, as all else names it; raises OSError."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
