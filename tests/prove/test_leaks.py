"""The search for what is private finds it, however it is written."""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import urllib.parse
import zipfile
from collections.abc import Callable

import pytest

from prove.leaks import PATIENT, SECRET, private
from tests.tables import cases


def zipped(data: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("trace.network", data)
    return gzip.compress(written.getvalue())


@pytest.mark.parametrize("word", [SECRET, PATIENT])
@cases(
    "written",
    {
        "as it is": (lambda word: f"name={word};".encode(),),
        "in a URL": (lambda word: urllib.parse.quote(word).encode(),),
        "in JSON": (lambda word: json.dumps({"a": word}).encode(),),
        "in HTML": (lambda word: html.escape(word).encode(),),
        "in base64": (lambda word: base64.b64encode(b"user:" + word.encode() + b" and more"),),
        "packed": (lambda word: zipped(word.encode()),),
    },
)
def test_what_is_private_is_found(written: Callable[[str], bytes], word: str) -> None:
    assert private(written(word))


def test_other_text_is_not() -> None:
    assert private(b"Sentinel patients are counted: 12 of 12") == []
