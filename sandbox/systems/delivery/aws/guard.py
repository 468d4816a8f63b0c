"""Who may do what in the account: the gate only the actions of its policy, whoever deploys everything."""

from __future__ import annotations

import fnmatch
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from werkzeug.wrappers import Response

from sandbox.systems.delivery.aws.state import ACCOUNT, REGION

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

_KEY = re.compile(r"Credential=([^/]+)/\d+/[^/]*/([a-z0-9-]+)/aws4_request")
_JSON_SERVICES = {"ecr", "logs", "secretsmanager"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to a service: what it wants to do, and with what."""

    service: str
    key_id: str
    action: str
    resource: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused, in the service's own words."""

    code: str
    status: int = 403


class Guard:
    """A WSGI wrapper that lets through what the policy allows, and refuses in each service's format."""

    def __init__(
        self, app: Application, policy: Mapping[str, Any], *, gate_key_id: str, operator_key_id: str
    ) -> None:
        self._app = app
        self._gate_key_id = gate_key_id
        self._operator_key_id = operator_key_id
        self._statements = policy["Statement"]
        self.credentials_refused = False
        self.throttled = False

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one request."""
        asked = _asked(environ)
        refusal = self._refusal(asked)
        if refusal is None:
            return self._app(environ, start_response)
        return _rendered(asked, refusal)(environ, start_response)

    def _refusal(self, asked: Asked | None) -> Refusal | None:
        if asked is None:
            return Refusal("MissingAuthenticationToken")
        return None if asked.key_id == self._operator_key_id else self._of_the_gate(asked)

    def _of_the_gate(self, asked: Asked) -> Refusal | None:
        if self.credentials_refused:
            return Refusal("ExpiredToken" if asked.service == "s3" else "ExpiredTokenException")
        if asked.key_id != self._gate_key_id:
            return Refusal(
                "InvalidAccessKeyId" if asked.service == "s3" else "InvalidClientTokenId"
            )
        if self.throttled:
            throttled = "SlowDown" if asked.service == "s3" else "ThrottlingException"
            return Refusal(throttled, 503 if asked.service == "s3" else 400)
        if not any(_allows(statement, asked) for statement in self._statements):
            denied = asked.service in _JSON_SERVICES
            return Refusal("AccessDeniedException" if denied else "AccessDenied")
        return None


def _allows(statement: Mapping[str, Any], asked: Asked) -> bool:
    actions, resources = (
        [told] if isinstance(told := statement[key], str) else told
        for key in ("Action", "Resource")
    )
    return (
        statement["Effect"] == "Allow"
        and asked.action in actions
        and any(fnmatch.fnmatchcase(asked.resource, pattern) for pattern in resources)
    )


def _asked(environ: dict[str, Any]) -> Asked | None:
    """Return what a signed request asks for; None for an unsigned one."""
    found = _KEY.search(environ.get("HTTP_AUTHORIZATION", ""))
    if found is None:
        return None
    key_id, service = found[1], found[2]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    action, resource = _READERS.get(service, _nothing)(environ, body)
    return Asked(service, key_id, f"{service}:{action}", resource)


def _nothing(_environ: dict[str, Any], _body: bytes) -> tuple[str, str]:
    return "Unknown", ""


def _of_json(environ: dict[str, Any], body: bytes) -> tuple[str, str]:
    service, _, action = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")
    given = json.loads(body or b"{}")
    if "SecretId" in given:
        return action, f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{given['SecretId']}"
    if service.startswith("Logs"):
        name = given.get("logGroupName", given.get("logGroupNamePrefix", ""))
        return action, f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}"
    names = [given.get("repositoryName"), *given.get("repositoryNames", ())]
    name = next((name for name in names if name), "")
    return action, f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}"


def _of_s3(environ: dict[str, Any], _body: bytes) -> tuple[str, str]:
    bucket, _, key = unquote(environ["PATH_INFO"]).lstrip("/").partition("/")
    method = environ["REQUEST_METHOD"]
    if not key:
        listing = method == "GET" and "list-type" in environ.get("QUERY_STRING", "")
        return "ListBucket" if listing else f"{method}Bucket", f"arn:aws:s3:::{bucket}"
    verb = {"HEAD": "GetObject"}.get(method, f"{method.title()}Object")
    return verb, f"arn:aws:s3:::{bucket}/{key}"


def _of_cloudfront(environ: dict[str, Any], _body: bytes) -> tuple[str, str]:
    found = re.search(r"/distribution/([^/]+)/invalidation(/[^/]+)?$", environ["PATH_INFO"])
    if found is None:
        return "Unknown", ""
    verbs = {"GET": "GetInvalidation" if found[2] else "ListInvalidations"}
    action = verbs.get(environ["REQUEST_METHOD"], "CreateInvalidation")
    return action, f"arn:aws:cloudfront::{ACCOUNT}:distribution/{found[1]}"


def _of_iam(_environ: dict[str, Any], body: bytes) -> tuple[str, str]:
    given = {key: values[0] for key, values in parse_qs(body.decode()).items()}
    user = given.get("UserName", "")
    return given.get("Action", "Unknown"), f"arn:aws:iam::{ACCOUNT}:user/{user}"


_READERS: Mapping[str, Callable[[dict[str, Any], bytes], tuple[str, str]]] = {
    "ecr": _of_json,
    "secretsmanager": _of_json,
    "s3": _of_s3,
    "cloudfront": _of_cloudfront,
    "iam": _of_iam,
    "logs": _of_json,
}


def _rendered(asked: Asked | None, refusal: Refusal) -> Response:
    service = asked.service if asked else "s3"
    if service in _JSON_SERVICES:
        body = json.dumps({"__type": refusal.code, "message": "refused"})
        return Response(body, 400, content_type="application/x-amz-json-1.1")
    error = f"<Code>{refusal.code}</Code><Message>refused</Message>"
    if service == "s3":
        whole = f"<Error>{error}</Error>"
        return Response(whole, refusal.status, content_type="application/xml")
    whole = f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error></ErrorResponse>"
    return Response(whole, refusal.status, content_type="text/xml")
