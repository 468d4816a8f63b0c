"""What a run leaves behind: its report, kept; its synthetic records, journalled beforehand and removed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import pathlib
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from allure_commons.logger import AllureFileLogger
from allure_commons.model2 import Attachment, Label, Parameter, Status, StatusDetails, TestResult
from allure_commons.types import LabelType

from environments.loader import Loaded
from environments.yaml_file import ConfigurationError
from gates.decide.outcome import EXIT_OUR_FAILURE
from load._options import without_login
from load._scenario import LoadError
from probes.http import HttpTarget
from probes.observation import Deadline
from reports import load_page
from reports.load_words import COMPLETE, DamagedLoadRecordError, checked
from reports.writers import write_whole
from smoke.synthetic import Journal, RemovalError, SyntheticRecords, left_over
from steps.kit.leases import writer_lease

JSON_NAME, PAGE_NAME = "load.json", "load.html"


def exit_code(record: Mapping[str, Any]) -> int:
    """Return the process exit code of a record: 0, 10 or 20; 70 for one without a result."""
    code = record.get("exit_code")
    return code if isinstance(code, int) else EXIT_OUR_FAILURE


def keep(record: Mapping[str, Any], folder: pathlib.Path) -> None:
    """Write a record and, where it has a result, its page into a run's folder; raises LoadError.

    Each is whole or not there. The record comes last: where it says PASS, everything else is on the disk.
    """
    texts = {JSON_NAME: json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"}
    if record["state"] == COMPLETE:
        texts = {PAGE_NAME: load_page.render(record), **texts}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_whole(folder / name, text)
    except OSError as exc:
        raise LoadError(
            f"{folder}: the load run's report cannot be written: {exc.strerror}; without it there is "
            "no result. Free some space or make it writable, and run again."
        ) from exc


def read_baseline(path: pathlib.Path) -> Mapping[str, Any]:
    """Return an earlier run's record; raises ConfigurationError for a file that is none."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigurationError(
            f"--baseline {path}: cannot be read: {exc.strerror}; name the load.json of an earlier run."
        ) from exc
    except (ValueError, RecursionError):
        raise ConfigurationError(
            f"--baseline {path}: is not JSON text; name the load.json of an earlier run."
        ) from None
    try:
        return checked(record)
    except DamagedLoadRecordError as exc:
        raise ConfigurationError(
            f"--baseline {path}: {exc}; name the load.json of an earlier run of this version."
        ) from None


def deliver(folder: pathlib.Path, to: str) -> str:
    """Copy page and record below a folder or URL, under the run's name; return where they are.

    The record comes last and is read back: where it is, everything is. Before a run there is only a
    record without a result, and an address that takes nothing is found out. Raises LoadError.
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
        raise LoadError(
            f"--report-to {without_login(to)}: the report cannot be kept there: {why}; it is still in "
            f"{folder}. Fix the address or the rights there, and run again."
        ) from exc
    return without_login(address)


ALLURE_RESULTS = "allure-results"
_STATUSES = {"PASS": Status.PASSED, "FAIL": Status.FAILED, "INVALID": Status.BROKEN}
_TYPES = {PAGE_NAME: "text/html", JSON_NAME: "application/json"}


def write_allure(
    record: Mapping[str, Any], folder: pathlib.Path, *, began: float, ended: float
) -> None:
    """Write the result of a run whose page and record lie in a folder; raises OSError."""
    logger = AllureFileLogger(str(folder / ALLURE_RESULTS))
    plan = record["plan"]
    name = f"Load test {plan['profile']}, {plan['environment']}"
    result = TestResult(
        uuid=str(uuid.uuid4()),
        name=name,
        fullName=name,
        # The same profile and environment is the same test in Allure's history.
        historyId=hashlib.sha256(name.encode()).hexdigest()[:32],
        status=_STATUSES.get(record["result"], Status.BROKEN),
        statusDetails=StatusDetails(message=_reasons(record)),
        start=round(began * 1000),
        stop=round(ended * 1000),
        labels=[Label(LabelType.FEATURE, "Load test")],
        parameters=[
            Parameter(key, str(plan[key])) for key in ("profile", "release", "model", "seed")
        ],
    )
    for file, kind in _TYPES.items():
        source = f"{uuid.uuid4()}-attachment{pathlib.Path(file).suffix}"
        logger.report_attached_file(folder / file, source)
        result.attachments.append(Attachment(file, source, kind))
    logger.report_result(result)


def _reasons(record: Mapping[str, Any]) -> str:
    judged = [one["judgement"] for one in record["judgements"]]
    return "\n".join(one["sentence"] for one in judged if one["outcome"] != "PASS")


JOURNAL = "load-journal.jsonl"
"""Not the gate's name: its janitor would remove the records of a load run that still goes on."""
TAG_PREFIX = "load-"
LEASE_WAIT_SECONDS = 5.0
REMOVE_SECONDS = 60.0
"""A run leaves up to some hundred thousand records behind its one tag."""


class Records:
    """Everything that one run makes on a platform, by its tag in each region."""

    def __init__(self, loaded: Loaded, folder: pathlib.Path, addresses: Mapping[str, str]) -> None:
        """Take where the run sends, by region; a `--host` that is not a region's has a name of its own."""
        self._loaded = loaded
        self._folder = folder
        self._addresses = addresses

    def tag(self, region: str) -> str:
        """Return what marks the records of a region."""
        return f"{TAG_PREFIX}{self._folder.name}-{region}"

    @contextlib.contextmanager
    def lease(self) -> Iterator[None]:
        """Be the only load run of this platform on this machine; raises LeaseHeldError."""
        addresses = sorted(
            url
            for region in self._loaded.settings.regions.values()
            for url in region.services.values()
        )
        with writer_lease("|".join(["load", *addresses]), self._folder.name, LEASE_WAIT_SECONDS):
            yield

    def announce(self) -> None:
        """Note in the journal what will be made; raises OSError."""
        journal = Journal(self._folder / JOURNAL, self._loaded.settings.name)
        for region in self._addresses:
            journal.intend(region, self.tag(region))

    def remove(self) -> list[str]:
        """Remove this run's records; return a sentence for each region where that failed."""
        return [
            problem
            for region in self._addresses
            for problem in self._remove(
                [(region, self.tag(region), self._folder / JOURNAL)], Deadline.after(REMOVE_SECONDS)
            )
        ]

    def remove_left_overs(self, tell: Callable[[str], None]) -> None:
        """Remove what earlier runs left, as far as that is quick; holding the lease, no such run goes on."""
        journals = sorted(self._folder.parent.glob(f"*/{JOURNAL}"))
        found = [
            (region, tag, pathlib.Path(path))
            for path, region, tag in left_over(journals, self._loaded.settings.name)
            if region in self._loaded.settings.regions or region in self._addresses
        ]
        # All of them together: a slow platform does not keep a run from its beginning for hours.
        deadline = Deadline.after(REMOVE_SECONDS)
        for problem in self._remove(found, deadline):
            tell(problem)

    def _remove(
        self, records: Iterable[tuple[str, str, pathlib.Path]], deadline: Deadline
    ) -> Iterator[str]:
        for region, tag, path in records:
            try:
                self._of(region).remove(tag, deadline)
            except RemovalError as exc:
                yield f"synthetic records tagged {tag} were left in {region}: {exc}"
                continue
            try:
                Journal(path, self._loaded.settings.name).removed(region, tag)
            except OSError as exc:
                yield f"{path}: cannot note that {tag} was removed, so the next run tries: {exc.strerror}"

    def _of(self, region: str) -> SyntheticRecords:
        settings = self._loaded.settings
        synthetic = settings.synthetic
        if synthetic is None:
            raise RemovalError("the environment has no section synthetic any more")
        known = settings.regions.get(region)
        address = (
            known.services[synthetic.service] if known is not None else self._addresses[region]
        )
        target = HttpTarget(address, settings.ca_file)
        return SyntheticRecords(target, self._loaded.secret(synthetic.token))
