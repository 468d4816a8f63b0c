from __future__ import annotations

import json
import math
import pathlib
import subprocess
import sys
import threading

import pytest

from reports.writers import read_back, write_durably, write_json

ROOT = pathlib.Path(__file__).resolve().parents[3]

# A full disk in small: no file of this process may grow beyond 64 KiB.
FULL_DISK = """
import pathlib, resource, signal, sys
from reports.writers import write_json
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
try:
    write_json(pathlib.Path(sys.argv[1]), {"decision": "GO", "reasons": ["x" * 1_000_000]})
except OSError as exc:
    print(exc.errno)
"""


def test_writes_what_reads_back(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "verdict.json"
    value = {"decision": "GO", "sentence": "größer als 5 %", "number": 0.1, "none": None}
    write_json(path, value)
    assert json.loads(path.read_text(encoding="utf-8")) == value
    read_back(path, value)


def test_leaves_nothing_beside_the_file(tmp_path: pathlib.Path) -> None:
    write_json(tmp_path / "verdict.json", {"decision": "HOLD"})
    write_json(tmp_path / "verdict.json", {"decision": "GO"})
    assert [path.name for path in tmp_path.iterdir()] == ["verdict.json"]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_refuses_a_number_that_json_does_not_have_and_keeps_the_old_file(
    tmp_path: pathlib.Path, number: float
) -> None:
    path = tmp_path / "verdict.json"
    write_json(path, {"decision": "HOLD"})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"decision": "GO", "observed": number})
    read_back(path, {"decision": "HOLD"})


def test_a_full_disk_raises_and_leaves_the_old_file_whole(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "verdict.json"
    write_json(path, {"decision": None, "state": "incomplete"})
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.strip() == "27", done.stderr
    read_back(path, {"decision": None, "state": "incomplete"})
    assert [one.name for one in tmp_path.iterdir()] == ["verdict.json"]


@pytest.mark.parametrize("place", ["missing/verdict.json", "file/verdict.json"])
def test_a_folder_that_is_none_raises(tmp_path: pathlib.Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        write_durably(tmp_path / place, "text")


@pytest.mark.parametrize(
    "on_disk",
    ['{"decision": "HOLD"}', '{"decision": "GO"', "", "null", '{"decision": "GO", "x": 1}'],
)
def test_a_verdict_on_disk_that_is_another_is_an_error(
    tmp_path: pathlib.Path, on_disk: str
) -> None:
    path = tmp_path / "verdict.json"
    path.write_text(on_disk)
    with pytest.raises(OSError, match="not the one that was written"):
        read_back(path, {"decision": "GO"})


def test_a_reader_sees_the_old_file_or_the_new_one_and_never_a_part(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "verdict.json"
    values = [{"decision": decision, "fill": decision * 20_000} for decision in ("GO", "HOLD")]
    write_json(path, values[0])
    over = threading.Event()
    seen: list[object] = []

    def keep_reading() -> None:
        while not over.is_set():
            seen.append(json.loads(path.read_text(encoding="utf-8"))["decision"])

    reader = threading.Thread(target=keep_reading)
    reader.start()
    try:
        for number in range(20):
            write_json(path, values[number % 2])
    finally:
        over.set()
        reader.join(timeout=10)
    assert set(seen) <= {"GO", "HOLD"}
    assert seen
