"""A load run as one test of an Allure report, with page and record attached: part of the sign-off."""

from __future__ import annotations

import hashlib
import pathlib
import uuid
from collections.abc import Mapping
from typing import Any

from allure_commons.logger import AllureFileLogger
from allure_commons.model2 import Attachment, Label, Parameter, Status, StatusDetails, TestResult
from allure_commons.types import LabelType

from load._conclude import JSON_NAME, PAGE_NAME

RESULTS = "allure-results"
_STATUSES = {"PASS": Status.PASSED, "FAIL": Status.FAILED, "INVALID": Status.BROKEN}
_TYPES = {PAGE_NAME: "text/html", JSON_NAME: "application/json"}


def write(record: Mapping[str, Any], folder: pathlib.Path, *, began: float, ended: float) -> None:
    """Write the result of a run whose page and record lie in a folder; raises OSError."""
    logger = AllureFileLogger(str(folder / RESULTS))
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
