"""What would break clients between two OpenAPI documents, in what they send and in what they read.

Only what a client can feel counts: an operation that is gone, a request that needs more, an answer that
promises less. What was added, descriptions and order do not. What the document before said nothing of can't
be compared, and is not proof; nor is what differs in a part that is not compared, which is named.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from steps.delivery.json_changes import (
    Found,
    Narrowing,
    OfAnswers,
    OfRequests,
    broken,
    differing,
    once,
    unknown,
)
from steps.delivery.json_parts import Part, leads_nowhere, listed, mapping, plain, referred
from steps.delivery.json_shapes import shapes_of

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_WEBHOOK: Final = "webhook "
_NO_CONTENT: Final = "204"
_MOST_ADDRESSES: Final = 1_000
_READ: Final = frozenset(
    {"parameters", "requestBody", "responses", "security", "servers", "callbacks", "x-sunset"}
)
_Parameter = tuple[str, str]
"""Its place and name; in a path its number, since names are free there."""
_Login = Mapping[str, tuple[Part, frozenset[str]]]
"""The schemes that are needed at once, and the scopes of each."""


class NotComparableError(ValueError):
    """The release before promised nothing that could be compared; the text says what, and the remedy."""


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """One difference between two documents."""

    operation: str
    """Such as `GET /v1/things/{id}`, or `webhook NAME`."""
    says: str
    breaks: bool
    """False where nothing is known of it: it differs in a part that is not compared."""

    def __str__(self) -> str:
        return f"{self.operation}: {self.says}"


def others(document: Part, used: Iterable[str]) -> tuple[str, ...]:
    """Return the operations of a document that are not among those used, and its webhooks."""
    known = {_anonymous(name) for name in used}
    each = [
        f"{method.upper()} {path}"
        for path, item in mapping(document.get("paths")).items()
        for method in _METHODS
        if isinstance(referred(document, item).get(method), Mapping)
    ]
    hooks = [f"{_WEBHOOK}{name}" for name in mapping(document.get("webhooks"))]
    return (*(name for name in each if _anonymous(name) not in known), *hooks)


def silent(before: Part, names: Iterable[str]) -> tuple[str, ...]:
    """Return the operations of whose answer a document says nothing: of that no change can be seen."""
    found = {name: _named(before, name) for name in names}
    return tuple(name for name, one in found.items() if one is not None and _says_nothing(one))


def compared(
    before: Part, now: Part, names: Iterable[str], *, must_promise: bool = True
) -> tuple[Change, ...]:
    """Return what breaks or can't be compared in some operations and webhooks.

    Raises NotComparableError where a PASS would prove nothing: for an operation that never was, and with
    `must_promise` for one of whose answer nothing was said.
    """
    for whose, document in (("the release before", before), ("this release", now)):
        if "swagger" in document:
            raise NotComparableError(
                f"{whose} has a document of Swagger 2; convert it to OpenAPI 3"
            )
        items = mapping(document.get("paths")).items()
        lost = [
            path for path, one in items if "$ref" in mapping(one) and not referred(document, one)
        ]
        if lost:
            raise NotComparableError(
                f"{whose} has a document of several files: nothing is known of {min(lost)}; bundle it"
            )
    try:
        both = _Compared(before, now)
        return tuple(
            Change(name, one.says, one.breaks)
            for name in sorted(set(names))
            for one in once(both.changes(name, must_promise=must_promise))
        )
    except RecursionError:
        raise NotComparableError("the API's documents are nested too deep") from None


@dataclasses.dataclass(frozen=True, slots=True)
class _Operation:
    """One operation of a document."""

    document: Part
    path: str
    method: str

    @property
    def item(self) -> Part:
        return referred(self.document, mapping(self.document.get("paths")).get(self.path))

    @property
    def found(self) -> Part:
        return mapping(self.item.get(self.method))

    def parameters(self) -> dict[_Parameter, Part]:
        """Return the parameters by place and name: the path's and the operation's own."""
        told = [*listed(self.item, "parameters"), *listed(self.found, "parameters")]
        resolved = [referred(self.document, one) for one in told]
        return {(str(one.get("in")), self._key(one)): one for one in resolved}

    def _key(self, parameter: Part) -> str:
        name, place = str(parameter.get("name")), parameter.get("in")
        names = re.findall(r"\{([^}]*)\}", self.path)
        if place == "path" and name in names:
            return str(names.index(name))
        return name.lower() if place == "header" else name

    def logins(self) -> list[_Login]:
        """Return the logins, each of which is enough; an empty one is none."""
        schemes = mapping(mapping(self.document.get("components")).get("securitySchemes"))
        asked = self.found.get("security", self.document.get("security"))
        return [
            {
                name: (
                    # One that is not described is known by its name.
                    plain(self.document, mapping(schemes.get(name))) or {"name": name},
                    frozenset(map(str, scopes if isinstance(scopes, list) else ())),
                )
                for name, scopes in mapping(one).items()
            }
            for one in (asked if isinstance(asked, list) else ())
        ] or [{}]

    def addresses(self) -> set[tuple[str, str]]:
        """Return where it is served: hosts, and paths whose parameters have no names."""
        holders = (self.found, self.item, self.document)
        told = (listed(one, "servers") for one in holders)
        servers: Sequence[Any] = next(filter(None, told), [{}])
        return {address for one in servers for address in _addresses(mapping(one), self.path)}

    @property
    def body(self) -> Part:
        return referred(self.document, self.found.get("requestBody"))

    @property
    def leads_nowhere(self) -> bool:
        return leads_nowhere(self.document, [self.item.get("parameters"), self.found])

    @property
    def answers(self) -> dict[str, Part]:
        told = mapping(self.found.get("responses"))
        return {status: referred(self.document, one) for status, one in told.items()}


def _addresses(server: Part, path: str) -> Iterator[tuple[str, str]]:
    """Yield the addresses of a server, with each choice that its variables leave."""
    variables = {name: mapping(one) for name, one in mapping(server.get("variables")).items()}
    choices = [
        {str(value) for value in (one.get("default"), *listed(one, "enum"))}
        for one in variables.values()
    ]
    for chosen in itertools.islice(itertools.product(*choices), _MOST_ADDRESSES):
        url = str(server.get("url", "/"))
        for name, value in zip(variables, chosen, strict=True):
            url = url.replace(f"{{{name}}}", value)
        parsed = urllib.parse.urlsplit(url)
        yield parsed.netloc, _anonymous(f"{parsed.path.rstrip('/')}{path}")


def _anonymous(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


class _Compared:
    """Two documents, and what in them was compared already."""

    def __init__(self, before: Part, now: Part) -> None:
        self._before, self._now = before, now
        self._requests, self._answers = OfRequests(before, now), OfAnswers(before, now)
        self._parameters = OfRequests(before, now, is_text=True)
        self._headers = OfAnswers(before, now, is_text=True)

    def changes(self, name: str, *, must_promise: bool) -> Iterator[Found]:
        """Yield what became of an operation such as `GET /v1/things/{id}`, or of a webhook."""
        if name.startswith(_WEBHOOK):
            hook = name.removeprefix(_WEBHOOK)
            old, new = (mapping(one.get("webhooks")).get(hook) for one in (self._before, self._now))
            if leads_nowhere(self._before, old) or leads_nowhere(self._now, new):
                yield unknown("a $ref that leads nowhere")
            yield from self._called("", old, new)
            return
        was = _named(self._before, name)
        if was is None:
            raise NotComparableError(
                f"the release before has no operation {name}; correct the contract"
            )
        is_now = _same(was, self._now)
        if is_now is None:
            yield broken(_gone(was))
            return
        if must_promise and _says_nothing(was):
            raise NotComparableError(
                f"the document of the release before says nothing of what {name} answers; write its "
                "schema there, as the apps know it"
            )
        if was.leads_nowhere or is_now.leads_nowhere:
            yield unknown("a $ref that leads nowhere")
        yield from _moved(was, is_now)
        yield from _security(was, is_now)
        yield from self._differ("", was.found, is_now.found, _READ)
        yield from self._each_parameter(was.parameters(), is_now.parameters())
        yield from self._request(was.body, is_now.body)
        yield from self._responses(was.answers, is_now.answers)
        yield from self._callbacks(was.found, is_now.found)

    def _differ(self, at: str, was: Part, is_now: Part, read: frozenset[str]) -> Iterator[Found]:
        for name in differing(self._before, self._now, was, is_now, read=read):
            yield unknown(f"{at}{name}")

    def _each_parameter(
        self, was: Mapping[_Parameter, Part], is_now: Mapping[_Parameter, Part]
    ) -> Iterator[Found]:
        # Who still sends it is not understood: a filter is silently none.
        for place, name in sorted(was.keys() - is_now.keys()):
            if place != "path":
                yield unknown(f"the {place} parameter {name} is gone")
        for key, found in is_now.items():
            before, place = was.get(key), key[0]
            at = f"the {place} parameter {found.get('name') if place == 'path' else key[1]}"
            if found.get("required") and place != "path" and not (before or {}).get("required"):
                yield broken(f"needs {at} now")
            if before is not None:
                yield from self._parameter(at, before, found)

    def _parameter(self, at: str, was: Part, is_now: Part) -> Iterator[Found]:
        if _style(was) != _style(is_now):
            yield broken(f"{at} is written in another style now")
        read = frozenset({"in", "name", "required", "schema", "style", "explode"})
        yield from self._differ(f"{at}: ", was, is_now, read)
        yield from _at(at, self._parameters.changes(was.get("schema"), is_now.get("schema")))

    def _request(self, was: Part, is_now: Part) -> Iterator[Found]:
        if is_now.get("required") and not was.get("required"):
            yield broken("needs a request body now")
        if was and not is_now:
            yield broken("no longer takes a request body")
        elif was:
            yield from self._differ("request: ", was, is_now, frozenset({"required", "content"}))
            yield from self._media("request", "no longer takes {}", (was, is_now), self._requests)

    def _responses(self, old: Mapping[str, Part], new: Mapping[str, Part]) -> Iterator[Found]:
        for status, answer in old.items():
            statuses = _matching(status, new)
            if not statuses and _is_good(status, old):
                yield broken(f"no longer answers {status}")
            for one in statuses:
                at = "response" if _is_good(status, old) else f"answer {status}"
                if _is_good(status, old) and _is_wider(one, status):
                    yield unknown(f"answer {status} is described as {one} now")
                yield from self._response(at, status, answer, new[one])
        yield from self._new_statuses(old, new)

    def _new_statuses(self, old: Mapping[str, Part], new: Mapping[str, Part]) -> Iterator[Found]:
        for status in new:
            covered_by = _matching(status, old)
            if status.startswith("2") and not any(_is_good(one, old) for one in covered_by):
                yield unknown(f"answer {status} is new")
            elif status.startswith(("4", "5")):
                # A range or the default stood for it, and it has its own words now.
                for one in covered_by:
                    if status not in _matching(one, new):
                        yield from self._response(f"answer {status}", status, old[one], new[status])

    def _response(self, at: str, status: str, was: Part, is_now: Part) -> Iterator[Found]:
        yield from self._differ(f"{at}: ", was, is_now, frozenset({"content", "headers", "links"}))
        followed, links = mapping(was.get("links")), mapping(is_now.get("links"))
        if any(links.get(name) != link for name, link in followed.items()):
            yield unknown(f"{at}: links")
        gone = f"no longer answers {status} with {{}}"
        yield from self._media(at, gone, (was, is_now), self._answers)
        old, new = _headers(self._before, was), _headers(self._now, is_now)
        for name, header in old.items():
            read = frozenset({"required", "schema"})
            yield from self._differ(f"{at} header {name}: ", header, new.get(name, header), read)
            is_promised = header.get("required") is True
            if name not in new:
                found = f"{at} lacks the header {name}"
                yield broken(found) if is_promised else unknown(found)
                continue
            if is_promised and not new[name].get("required"):
                yield broken(f"{at} may lack the header {name}")
            changes = self._headers.changes(header.get("schema"), new[name].get("schema"))
            yield from _at(f"{at} header {name}", changes)

    def _media(
        self, at: str, gone: str, bodies: tuple[Part, Part], narrowing: Narrowing
    ) -> Iterator[Found]:
        """Yield the media types that are gone, and what breaks in those that are not."""
        old, new = map(_media_types, bodies)
        for name, media in old.items():
            other = _taking(name, new, of_range=narrowing is self._answers)
            if other is None:
                yield broken(gone.format(name))
                continue
            yield from self._differ(f"{at}: {name}: ", media, new[other], frozenset({"schema"}))
            changes = narrowing.changes(media.get("schema"), new[other].get("schema"))
            yield from _at(at, changes)

    def _callbacks(self, was: Part, is_now: Part) -> Iterator[Found]:
        old, new = mapping(was.get("callbacks")), mapping(is_now.get("callbacks"))
        for name, callback in old.items():
            there = referred(self._now, new.get(name))
            for address, item in referred(self._before, callback).items():
                yield from self._called(f"callback {name}: ", item, there.get(address))

    def _called(self, at: str, was: Any, is_now: Any) -> Iterator[Found]:
        """Yield what breaks where the API asks and its client answers."""
        old, new = referred(self._before, was), referred(self._now, is_now)
        for method in (one for one in _METHODS if one in old):
            if method not in new:
                yield broken(f"{at}is no longer called")
                continue
            asks = _Operation({**self._before, "paths": {"": old}}, "", method)
            asks_now = _Operation({**self._now, "paths": {"": new}}, "", method)
            read = frozenset({"requestBody", "responses"})
            yield from self._differ(at, asks.found, asks_now.found, read)
            bodies = asks.body, asks_now.body
            yield from self._media(
                f"{at}request", f"{at}no longer sends {{}}", bodies, self._answers
            )
            for status, answer in asks.answers.items():
                if status.startswith("2") and not _matching(status, asks_now.answers):
                    yield unknown(f"{at}answer {status} is gone")
                for one in _matching(status, asks_now.answers):
                    pair = answer, asks_now.answers[one]
                    gone = f"{at}no longer takes {{}} as answer {status}"
                    yield from self._media(f"{at}answer {status}", gone, pair, self._requests)


def _at(at: str, found: Iterable[Found]) -> Iterator[Found]:
    """Yield what was found in a schema as found at this place of an operation."""
    for one in found:
        says = f"{at}{one.at}{' ' if one.breaks else ': '}{one.says}"
        yield dataclasses.replace(one, at="", says=says)


def _named(document: Part, operation: str) -> _Operation | None:
    """Return an operation by method and path; names of path parameters are free."""
    method, _, path = operation.partition(" ")
    for known in mapping(document.get("paths")):
        found = _Operation(document, known, method.lower())
        if _anonymous(known) == _anonymous(path) and found.found:
            return found
    return None


def _same(was: _Operation, document: Part) -> _Operation | None:
    """Return the operation with the same address in another document, else with the same path."""
    paths = {path for _, path in was.addresses()}
    for known in mapping(document.get("paths")):
        found = _Operation(document, known, was.method)
        if found.found and paths <= {path for _, path in found.addresses()}:
            return found
    return _named(document, f"{was.method} {was.path}")


def _gone(was: _Operation) -> str:
    sunset = was.found.get("x-sunset")
    return f"is gone; its end was announced for {sunset}" if sunset else "is gone"


def _moved(was: _Operation, is_now: _Operation) -> Iterator[Found]:
    old, new = was.addresses(), is_now.addresses()
    if lost := {path for _, path in old} - {path for _, path in new}:
        yield broken(f"is no longer served as {min(lost)}")
    elif {host for host, _ in old} - {host for host, _ in new}:
        yield unknown("servers")


def _security(was: _Operation, is_now: _Operation) -> Iterator[Found]:
    """Yield the logins that are no longer enough."""
    new = is_now.logins()
    for login in was.logins():
        if any(_is_enough(login, other, mapping) for other in new):
            continue
        if not login:
            yield broken("needs a login now")
        elif any(_is_enough(login, other, _kind) for other in new):
            yield unknown("security")
        else:
            yield broken(f"no longer takes the login {' with '.join(sorted(login))}")


def _is_enough(login: _Login, asked: _Login, seen: Callable[[Part], Any]) -> bool:
    """Tell whether who has this login has what is asked; names of schemes are free."""
    return all(
        any(seen(had) == seen(scheme) and scopes <= held for had, held in login.values())
        for scheme, scopes in asked.values()
    )


def _kind(scheme: Part) -> Any:
    """Return what a client has to send, wherever it gets it from."""
    return [str(scheme.get(word)).lower() for word in ("type", "scheme", "in", "name")]


def _says_nothing(was: _Operation) -> bool:
    """Tell whether nothing was said of an operation's answer: whatever comes now would be as good."""
    answers = {status: one for status, one in was.answers.items() if _is_good(status, was.answers)}
    media = [one for answer in answers.values() for one in _media_types(answer).items()]
    is_open = any(
        _is_json(name) and shapes_of(was.document, one.get("schema")).says_nothing
        for name, one in media
    )
    return is_open or (was.method == "get" and not media and _NO_CONTENT not in answers)


def _style(parameter: Part) -> tuple[Any, Any]:
    form = "form" if str(parameter.get("in")) in {"query", "cookie"} else "simple"
    style = parameter.get("style", form)
    return style, parameter.get("explode", style == "form")


def _is_good(status: str, told: Iterable[str]) -> bool:
    """Tell whether a status is a success; where none is told, the one that stands for all is."""
    none = not any(one.startswith("2") for one in told)
    return status.startswith("2") or (none and status == "default")


def _matching(status: str, told: Iterable[str]) -> list[str]:
    """Return what is told of a status: by its own name, those of its kind, or that stand for it."""
    names = [one for one in told if one.upper() == status.upper()]
    if not names and status.upper().endswith("XX"):
        names = [one for one in told if one.startswith(status[0])]
    for wide in (f"{status[:1]}XX", "default"):
        names = names or [one for one in told if one.upper() == wide.upper()]
    return names


def _is_wider(told: str, status: str) -> bool:
    """Tell whether what is told stands for other statuses too."""
    return told.upper() != status.upper() and told.upper().endswith(("XX", "DEFAULT"))


def _headers(document: Part, answer: Part) -> dict[str, Part]:
    told = mapping(answer.get("headers"))
    return {name.lower(): referred(document, one) for name, one in told.items()}


def _media_types(body: Part) -> dict[str, Part]:
    """Return what is told of each media type, whatever its charset."""
    told = mapping(body.get("content"))
    return {
        re.sub(r"\s*;\s*", ";", re.sub(r"\s*;\s*charset=[^;]*", "", name.lower())).strip(): mapping(
            one
        )
        for name, one in told.items()
    }


def _taking(name: str, told: Mapping[str, Part], *, of_range: bool) -> str | None:
    """Return the media type, or range of them, that covers one; of a range the first of its kind."""
    kind = name.partition("/")[0]
    for one in (name, f"{kind}/*", "*/*"):
        if one in told:
            return one
    if of_range and name.endswith("*"):
        return next((one for one in told if kind in {"*", one.partition("/")[0]}), None)
    return None


def _is_json(name: str) -> bool:
    kind = name.partition(";")[0].strip()
    return kind in {"application/json", "application/*", "*/*"} or kind.endswith("+json")
