"""An API of things with its document, on port 0: what it was asked, and how it breaks its promises."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.steps.json_server import Answer, json_server
from tests.steps.patient_server import PatientServer

TOKEN = "sentinel-token"
DOCUMENT: dict[str, Any] = yaml.safe_load("""
openapi: 3.1.0
info: {title: Things, version: 1.2.0}
paths:
  /things:
    get:
      security: [bearer: []]
      responses: {"200": {$ref: "#/components/responses/things"}, "401": &no {description: none}}
    post:
      security: [bearer: []]
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: "#/components/schemas/NewThing"}}}
      responses: {"201": {$ref: "#/components/responses/thing"}, "400": *no, "401": *no}
  /things/{thing_id}:
    parameters: [{name: thing_id, in: path, required: true, schema: {type: string}}]
    get: {responses: {"200": {$ref: "#/components/responses/thing"}, "404": *no}}
    delete: {responses: {"204": *no, "404": *no}}
  /state:
    get: {responses: {"200": {$ref: "#/components/responses/thing"}}}
  /open:
    get: {responses: {"200": {$ref: "#/components/responses/thing"}}}
  /v1/auth/register:
    post:
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: "#/components/schemas/Account"}}}
      responses: {"201": *no, "400": *no, "409": *no}
components:
  securitySchemes: {bearer: {type: http, scheme: bearer}}
  schemas:
    NewThing: {type: object, required: [size], properties: {size: {type: integer, minimum: 1, maximum: 9}}}
    Account:
      type: object
      required: [email, role]
      properties:
        email: {type: string, pattern: "^[a-z.]{1,30}@[a-z.]{1,20}[.][a-z]{2,9}$"}
        role: {enum: [patient]}
    Thing: {type: object, required: [id, size], properties: {id: {type: string}, size: {type: integer}}}
  responses:
    thing: {description: one, content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}}
    things:
      description: all
      content: {application/json: {schema: {type: array, items: {$ref: "#/components/schemas/Thing"}}}}
""")
_THING = {"id": "t-1", "size": 3}
_EMAIL = re.compile(r"[A-Za-z0-9.-]{1,80}@[A-Za-z.-]{1,40}[.][a-z]{2,9}")
Mood = Callable[[str, Answer], Answer]


@dataclasses.dataclass
class Things:
    """What it was asked, as METHOD PATH, and who has registered."""

    mood: Mood
    document: Any
    url: str = ""
    asked: list[str] = dataclasses.field(default_factory=list)
    addresses: list[str] = dataclasses.field(default_factory=list)
    tags: set[str | None] = dataclasses.field(default_factory=set)
    patients: PatientServer = dataclasses.field(default_factory=PatientServer)

    def answer(self, method: str, target: str, headers: Message, body: bytes) -> Answer:
        """Answer as the document says, and then as the mood has it."""
        path = urlsplit(target).path
        self.asked.append(f"{method} {path}")
        if path == "/openapi.json":
            return 200, self.document
        if path == "/v1/auth/login" or "synthetic" in path:
            return self.patients.answer(method, target, headers.get("X-Synthetic-Tag"))
        self.tags.add(headers.get("X-Synthetic-Tag"))
        return self.mood(f"{method} {path}", self._good(method, path, headers, body))

    def _good(self, method: str, path: str, headers: Message, body: bytes) -> Answer:
        if path == "/things" and headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {}
        if method == "POST":
            return self._made(path, headers, body)
        if path == "/things":
            return 200, [_THING]
        if path.startswith("/things/") and path != "/things/t-1":
            return 404, {}
        return (204, b"") if method == "DELETE" else (200, _THING)

    def _made(self, path: str, headers: Message, body: bytes) -> Answer:
        try:
            asked = json.loads(body)
        except ValueError:
            return 400, {}
        if not isinstance(asked, dict) or headers.get("Content-Type") != "application/json":
            return 400, {}
        if path == "/things":
            size = asked.get("size")
            return (201, _THING) if size is not True and size in range(1, 10) else (400, {})
        return self._registered(asked)

    def _registered(self, asked: dict[str, Any]) -> Answer:
        email = asked.get("email")
        good = isinstance(email, str) and _EMAIL.fullmatch(email) and asked.get("role") == "patient"
        if not good:
            return 400, {}
        self.addresses.append(str(email))
        return 201, {"id": "p-1"}


@contextlib.contextmanager
def things(mood: Mood = lambda _, answer: answer, document: Any = DOCUMENT) -> Iterator[Things]:
    """Serve until the block ends."""
    serving = Things(mood, copy.deepcopy(document))
    with json_server(serving.answer, protocol="HTTP/1.1") as serving.url:
        yield serving
