"""Keeps a run's report: page and record, a result for Allure, a copy elsewhere; reads an earlier one."""

from __future__ import annotations

import hashlib
import json
import pathlib
import uuid
from collections.abc import Mapping
from typing import Any

from allure_commons.logger import AllureFileLogger
from allure_commons.model2 import Attachment, Label, Parameter, Status, StatusDetails, TestResult
from allure_commons.types import LabelType

from environments.yaml_file import ConfigurationError
from gates.decide.outcome import EXIT_OUR_FAILURE
from load._options import without_login
from reports import load_page
from reports.load_record import COMPLETE, DamagedLoadRecordError, checked
from reports.writers import write_whole

JSON_NAME, PAGE_NAME = "load.json", "load.html"


class CannotKeepError(Exception):
    """The run's evidence could not be written: then there is no result, whatever it was."""


def exit_code(record: Mapping[str, Any]) -> int:
    """Return the process exit code of a record: 0, 10 or 20; 70 for one without a result."""
    code = record.get("exit_code")
    return code if isinstance(code, int) else EXIT_OUR_FAILURE


def keep(record: Mapping[str, Any], folder: pathlib.Path) -> None:
    """Write a record and, where it has a result, its page into a run's folder; raises CannotKeepError.

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
        raise CannotKeepError(
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
