"""How the official client travels: it prepares and reads, the HTTP probe carries.

So every call ends with the deadline, whatever the server does; TLS is verified, no proxy and no redirect is
followed, answers are bounded, and the token never gets into the library's objects, logs or exceptions.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from kubernetes import client
from kubernetes.client.exceptions import ApiException, OpenApiException
from pydantic import SecretStr

from probes import http
from probes.observation import Deadline, Failure, FailureKind, Observation
from probes.waiting import pause

_APIS: Final = (*("CoreV1Api", "AppsV1Api", "DiscoveryV1Api", "AuthorizationV1Api", "VersionApi"),)
_POD: Final[Mapping[str, object]] = {"spec": {"containers": []}, "status": {}}
_LISTS: Final[Mapping[str, object]] = {
    "V1PodList": _POD,
    "V1DeploymentList": {"spec": {"selector": {}, "template": _POD}, "status": {}},
    "V1ReplicaSetList": {"spec": {"selector": {}, "template": _POD}, "status": {"replicas": 0}},
    "V1StatefulSetList": {
        "spec": {"selector": {}, "serviceName": "", "template": _POD},
        "status": {"replicas": 0},
    },
    "V1ResourceQuotaList": {"spec": {}, "status": {}},
    "V1EndpointSliceList": {"addressType": "IPv4", "endpoints": []},
    "V1NodeList": {"spec": {}, "status": {}},
}
MAX_ANSWER_BYTES: Final = 32 * 1_048_576
PAGE: Final = 250
_RESOURCE: Final = re.compile(
    r"(api|apis/[^/]+)/v1(/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<resource>[^/]+)(/(?P<name>[^/]+)(/(?P<sub>.+))?)?"
)
_GONE: Final = 410
_TOO_MANY: Final = 429
_WAITS_FOR_ROOM: Final = 2
_LONGEST_WAIT_SECONDS: Final = 2.0

_KIND_BY_STATUS: Final = {
    400: FailureKind.QUERY_REJECTED,
    401: FailureKind.CREDENTIAL_REFUSED,
    403: FailureKind.FORBIDDEN,
    404: FailureKind.UNUSABLE_ANSWER,
    405: FailureKind.QUERY_REJECTED,
    409: FailureKind.QUERY_REJECTED,
    410: FailureKind.UNUSABLE_ANSWER,
    422: FailureKind.QUERY_REJECTED,
    429: FailureKind.SERVER_BUSY,
    500: FailureKind.SERVER_ERROR,
    502: FailureKind.SERVER_ERROR,
    503: FailureKind.SERVER_BUSY,
    504: FailureKind.SERVER_ERROR,
}

_SENTENCES: Final = {
    FailureKind.QUERY_REJECTED: "{host} rejected the request with status {status}.",
    FailureKind.CREDENTIAL_REFUSED: "{host} refused the gate's token (401); make a new one.",
    FailureKind.FORBIDDEN: (
        "{host} does not permit the gate's account to {asked} (403); apply deploy/kubernetes/rbac.yaml."
    ),
    FailureKind.SERVER_BUSY: "{host} is too busy to answer in time (status {status}).",
    FailureKind.SERVER_ERROR: "{host} failed with status {status}.",
    FailureKind.UNUSABLE_ANSWER: "{host} answered with status {status}, which is no answer to this.",
}


@dataclasses.dataclass(frozen=True, slots=True)
class KubernetesTarget:
    """A cluster's API server and the gate's account there; the token is masked in every repr."""

    server: str
    token: SecretStr
    ca_file: str | None = None


class FoundError(Exception):
    """A failure whose kind and sentence are known; `status` is the server's, where it gave one."""

    def __init__(self, failure: Failure, status: int | None = None) -> None:
        super().__init__(failure.detail)
        self.failure = failure
        self.status = status


@dataclasses.dataclass(frozen=True, slots=True)
class _Answer:
    """What the client library expects of its REST layer."""

    status: int
    data: bytes
    headers: Mapping[str, str]
    reason: str = ""

    @property
    def response(self) -> _Answer:
        """Return what a call brings back whose body nobody decodes."""
        return self

    def read(self) -> bytes:
        """Return the body."""
        return self.data

    def getheaders(self) -> Mapping[str, str]:
        """Return the headers."""
        return self.headers


class Carrier:
    """In the place of the client's REST layer: sends by the HTTP probe, within the deadline."""

    def __init__(self, target: KubernetesTarget, deadline: Deadline) -> None:
        token = SecretStr(f"Bearer {target.token.get_secret_value()}")
        self._target = http.HttpTarget(target.server, target.ca_file, {"Authorization": token})
        self._deadline = deadline

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        post_params: object = None,  # noqa: ARG002 - no call of ours has any
        _request_timeout: object = None,
    ) -> _Answer:
        """Send and read; raises FoundError for anything but a success."""
        for waits_left in reversed(range(_WAITS_FOR_ROOM + 1)):
            answer = self._sent(method, url, headers or {}, body)
            wait = _retry_after(answer)
            if wait is None or not waits_left or wait > self._deadline.remaining_seconds():
                break
            pause(wait)
        if not 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's classes
            raise FoundError(self._failure(answer.status, method, url), answer.status)
        content_type = {"content-type": answer.content_type}
        return _Answer(answer.status, answer.body, content_type)

    def _sent(
        self, method: str, url: str, headers: Mapping[str, str], body: object
    ) -> http.HttpAnswer:
        accept = {"Accept": headers.get("Accept", "application/json")}
        observed: Observation[http.HttpAnswer] = http.request(
            self._target,
            method,
            url[len(self._target.base_url.rstrip("/")) :],
            deadline=self._deadline,
            json=body,
            headers=accept,
            max_bytes=MAX_ANSWER_BYTES,
        )
        if observed.value is None:
            missing = Failure(FailureKind.OUR_FAULT, "The HTTP probe brought nothing.")
            raise FoundError(observed.failure or missing)
        return observed.value

    def _failure(self, status: int, method: str, url: str) -> Failure:
        kind = _KIND_BY_STATUS.get(status, FailureKind.UNUSABLE_ANSWER)
        words = {"host": self._target.host, "status": status, "asked": asked(method, url)}
        return Failure(kind, _SENTENCES[kind].format(**words))

    def close(self) -> None:
        """Nothing stays open: the HTTP probe closes each connection."""


def asked(method: str, url: str) -> str:
    """Return what a call asks for, in the words of RBAC, such as `list pods in health`."""
    path = urllib.parse.urlsplit(url).path.strip("/")
    found = _RESOURCE.fullmatch(path)
    if found is None:
        return f"{method.lower()} /{path}"
    verb = {"POST": "create"}.get(method, "get" if found["name"] else "list")
    resource = "/".join(filter(None, (found["resource"], found["sub"])))
    where = f" in {found['namespace']}" if found["namespace"] else ""
    return f"{verb} {resource}{where}"


def _retry_after(answer: http.HttpAnswer) -> float | None:
    """Return the seconds that a busy server asks us to wait; None when it does not."""
    said = answer.headers.get("retry-after", "")
    if answer.status != _TOO_MANY or not said.isdigit():
        return None
    return min(float(said), _LONGEST_WAIT_SECONDS)


class Session:
    """The client's APIs of one cluster, under one deadline."""

    def __init__(self, target: KubernetesTarget, deadline: Deadline) -> None:
        self._deadline = deadline
        configuration = client.Configuration(host=target.server)
        self.api = client.ApiClient(configuration)
        self.api.rest_client = cast("Any", Carrier(target, deadline))
        self.server = target.server
        self.core = client.CoreV1Api(self.api)
        self.apps = client.AppsV1Api(self.api)
        self.discovery = client.DiscoveryV1Api(self.api)
        self.authorization = client.AuthorizationV1Api(self.api)
        self.version = client.VersionApi(self.api)

    def call(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Call a method of the client; raises FoundError and the library's own."""
        remaining = max(0.001, self._deadline.remaining_seconds())
        return method(*arguments, _request_timeout=remaining, **options)

    def listed(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> list[Any]:
        """Return a whole list, page by page; one that expires meanwhile is read anew in one piece."""
        items: list[Any] = []
        token: str | None = None
        while True:
            try:
                paged = {"limit": PAGE, **({"_continue": token} if token else {})}
                page = self.call(method, *arguments, **paged, **options)
            except FoundError as exc:
                if exc.status != _GONE or token is None:
                    raise
                return list(self.call(method, *arguments, **options).items)
            items += page.items
            token = page.metadata._continue if page.metadata else None  # noqa: SLF001 - so the client names it
            if not token:
                return items

    def found(self, method: Callable[..., Any], *arguments: Any) -> Any:
        """Return one object, None when there is none of that name."""
        try:
            return self.call(method, *arguments)
        except FoundError as exc:
            if exc.status == 404:  # noqa: PLR2004 - not found
                return None
            raise


def _build_models() -> None:
    """Let the library build the models that are read here: a second or two, once in a process.

    Done when this module is loaded, so that it is not taken from the first call's deadline.
    """
    api = client.ApiClient(client.Configuration(host="http://nowhere.invalid"))
    for name in _APIS:
        getattr(client, name)(api)
    for name, item in _LISTS.items():
        text = json.dumps({"metadata": {}, "items": [item]})
        api.deserialize(text, name, "application/json")


_build_models()


@contextlib.contextmanager
def session(target: KubernetesTarget, deadline: Deadline) -> Iterator[Session]:
    """Yield a session."""
    yield Session(target, deadline)


def failure_kind(exc: BaseException) -> FailureKind | None:
    """Return what an exception of the client library means; None: not theirs.

    Sending is the HTTP probe's, with its own mapping; what the library raises by itself is an answer that
    is not what the API promises (also pydantic's ValidationError, a ValueError), and so is a model without
    the parts that every object of its kind has (an AttributeError of None).
    """
    if isinstance(exc, ApiException | OpenApiException | ValueError | AttributeError):
        return FailureKind.UNUSABLE_ANSWER
    return None
