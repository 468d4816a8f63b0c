"""How the Kubernetes API is asked: the HTTP probe sends, pydantic reads.

So every call ends with the deadline, whatever the server does; TLS is verified, no proxy and no redirect is
followed, and answers are bounded.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Generic, TypeVar

import yaml
from pydantic import SecretStr, StrictBool

from probes import api, http
from probes.kubernetes.models import Model, Texts, at
from probes.observation import Deadline, FailureKind, FoundError, failures_of, pause

M = TypeVar("M", bound=Model)
MAX_ANSWER_BYTES: Final = 32 * 1_048_576
PAGE: Final = 250
_RESOURCE: Final = re.compile(
    r"(api|apis/[^/]+)/v1(/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<resource>[^/]+)(/(?P<name>[^/]+)(/(?P<sub>.+))?)?"
)
_GONE: Final = 410
_WAITS_FOR_ROOM: Final = 2
_LONGEST_WAIT_SECONDS: Final = 2.0
_KIND_BY_STATUS: Final = {
    **api.KIND_BY_STATUS,
    405: FailureKind.QUERY_REJECTED,
    409: FailureKind.QUERY_REJECTED,
}
_SENTENCES: Final = failures_of("kubernetes")


class Page(Model, Generic[M]):
    """One page of a list, and where it goes on."""

    items: tuple[M, ...]
    next: str = at("metadata.continue", "")


@dataclasses.dataclass(frozen=True, slots=True)
class KubernetesTarget:
    """A cluster's API server and the gate's account there; the token is masked in every repr."""

    server: str
    token: SecretStr
    ca_file: str | None = None


class RefusedError(FoundError):
    """The server answered with a status that is not a success."""

    def __init__(self, kind: FailureKind, detail: str, status: int) -> None:
        super().__init__(kind, detail)
        self.status = status


class Session:
    """The API of one cluster, under one deadline."""

    def __init__(self, target: KubernetesTarget, deadline: Deadline) -> None:
        headers = {**http.bearer(target.token), "Accept": "application/json, */*"}
        self._target = http.HttpTarget(target.server, target.ca_file, headers)
        self._deadline = deadline

    def sent(self, method: str, path: str, body: object = None, **parameters: object) -> bytes:
        """Return the body of a success; raises FoundError for anything else."""
        query = urllib.parse.urlencode({k: v for k, v in parameters.items() if v})
        for waits_left in reversed(range(_WAITS_FOR_ROOM + 1)):
            answer = self._answer(method, f"{path}?{query}" if query else path, body)
            told = answer.retry_after_seconds
            wait = min(told or 0.0, _LONGEST_WAIT_SECONDS)
            if told is None or not waits_left or wait > self._deadline.remaining_seconds():
                break
            pause(wait)
        if not 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's classes
            raise self._refused(answer.status, method, path)
        return answer.body

    def one(self, model: type[M], path: str) -> M:
        """Return one object; raises FoundError, and ValueError for what the API does not promise."""
        return model.model_validate_json(self.sent("GET", path))

    def found(self, model: type[M], path: str) -> M | None:
        """Return one object, None when there is none of that name."""
        try:
            return self.one(model, path)
        except RefusedError as exc:
            if exc.status == 404:  # noqa: PLR2004 - not found
                return None
            raise

    def made(self, model: type[M], kind: str, spec: Mapping[str, object]) -> M:
        """Return the answer to a review of the account's own rights."""
        version = "authorization.k8s.io/v1"
        document = {"apiVersion": version, "kind": kind, "spec": spec}
        path = f"/apis/{version}/{kind.lower()}s"
        return model.model_validate_json(self.sent("POST", path, document))

    def listed(self, model: type[M], path: str, selector: str = "") -> list[M]:
        """Return a whole list, page by page; one that expires meanwhile is read anew in one piece."""
        items: list[M] = []
        selected: dict[str, object] = {"labelSelector": selector}
        paged: dict[str, object] = {"limit": PAGE}
        while True:
            try:
                answer = self.sent("GET", path, **selected, **paged)
            except RefusedError as exc:
                if exc.status != _GONE or "continue" not in paged:
                    raise
                items, paged = [], {}
                continue
            page = Page[model].model_validate_json(answer)  # type: ignore[valid-type]  # a model made at run time
            items += page.items
            if not page.next:
                return items
            paged["continue"] = page.next

    def _answer(self, method: str, path: str, body: object) -> http.HttpAnswer:
        deadline, most = self._deadline, MAX_ANSWER_BYTES
        return http.request(
            self._target, method, path, deadline=deadline, json=body, max_bytes=most
        ).brought()

    def _refused(self, status: int, method: str, path: str) -> RefusedError:
        kind = _KIND_BY_STATUS.get(status, FailureKind.UNUSABLE_ANSWER)
        words = {"host": self._target.host, "status": status, "asked": asked(method, path)}
        return RefusedError(kind, _SENTENCES[kind].format(**words), status)


def path_of(group: str, namespace: str, resource: str, *names: str) -> str:
    """Return the path of a resource, such as `apps/v1` and `deployments`, in a namespace or in all.

    Names come from settings; what they hold never leads elsewhere.
    """
    parts = [*(("namespaces", namespace) if namespace else ()), resource, *names]
    root = "/api/v1" if group == "v1" else f"/apis/{group}"
    return "/".join((root, *(urllib.parse.quote(one, safe="") for one in parts)))


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


class Version(Model):
    """What /version says."""

    git_version: str


class Rule(Model):
    """Verbs that an account may use on resources, or on paths which are no resource."""

    verbs: Texts
    api_groups: Texts = ()
    resources: Texts = ()
    paths: Texts = at("nonResourceURLs", ())


class Rules(Model):
    """The status of a SelfSubjectRulesReview: all that an account may do in a namespace."""

    resource_rules: tuple[Rule, ...]
    non_resource_rules: tuple[Rule, ...]
    incomplete: StrictBool


class RulesReview(Model):
    """The answer to a SelfSubjectRulesReview."""

    status: Rules


class AccessReview(Model):
    """The answer to a SelfSubjectAccessReview."""

    allowed: StrictBool = at("status.allowed")


_READS: Final = frozenset({"get", "list", "watch"})
# Every service account may read which authorities the cluster trusts.
_TRUST: Final[Mapping[str, frozenset[str]]] = {
    "certificates.k8s.io": frozenset({"clustertrustbundles"})
}
_EVERYWHERE: Final[Mapping[str, frozenset[str]]] = {**_TRUST, "": frozenset({"nodes", "pods"})}
_OF_THE_APP: Final[Mapping[str, frozenset[str]]] = {
    **_TRUST,
    "": frozenset({"configmaps", "nodes", "pods", "pods/log", "resourcequotas", "services"}),
    "apps": frozenset({"deployments", "replicasets", "statefulsets"}),
    "discovery.k8s.io": frozenset({"endpointslices"}),
}
# What every cluster lets each account ask about itself (system:basic-user).
_OF_ITSELF: Final = frozenset(
    {"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"}
)
# What it lets each account read that is not a resource (system:discovery, system:public-info-viewer and
# system:service-account-issuer-discovery), by its first part.
_PATHS: Final = frozenset(
    {
        *("api", "apis", "openapi", "openid", ".well-known", "version"),
        *("healthz", "livez", "readyz"),
    }
)
EXAMPLES: Final = tuple(
    (verb, group, resource, subresource)
    for group, resource, subresource, verbs in yaml.safe_load(
        pathlib.Path(__file__).with_name("rights.yaml").read_bytes()
    )
    for verb in verbs
)
"""Verb, group, resource, subresource: what is asked one by one where a cluster can't list all rights."""


def excess(status: Rules, namespace: str, *, is_the_apps: bool) -> Iterator[str]:
    """Yield in words what a SelfSubjectRulesReview of a namespace lists beyond what is allowed there."""
    allowed = _OF_THE_APP if is_the_apps else _EVERYWHERE
    where = "" if is_the_apps else f" in {namespace}"
    for rule in status.resource_rules:
        for group in rule.api_groups or ("",):
            for resource in rule.resources or ("*",):
                verbs = [one for one in rule.verbs if not _may(one, group, resource, allowed)]
                if verbs:
                    yield f"{_words(verbs)} {_named(resource, group)}{where}"
    for rule in status.non_resource_rules:
        paths = [one for one in rule.paths or ("*",) if not _is_public(one)]
        wrong = rule.verbs if paths else [one for one in rule.verbs if one != "get"]
        if wrong:
            yield f"{_words(wrong)} {(paths or rule.paths)[0]}"


def _may(verb: str, group: str, resource: str, allowed: Mapping[str, frozenset[str]]) -> bool:
    if verb == "create":
        return group.endswith(".k8s.io") and resource in _OF_ITSELF
    return verb in _READS and resource in allowed.get(group, ())


def _is_public(path: str) -> bool:
    return path.strip("/").partition("/")[0].rstrip("*") in _PATHS


def _words(verbs: Iterable[str]) -> str:
    found = list(verbs)
    return "do anything with" if "*" in found else "/".join(found)


def _named(resource: str, group: str) -> str:
    everything = "every resource" if resource == "*" else resource
    return f"{everything} of every group" if group == "*" else everything
