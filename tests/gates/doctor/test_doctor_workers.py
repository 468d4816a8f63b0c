"""The doctor meets each worker behind a scraped port; a scraper that keeps its connection meets one."""

from __future__ import annotations

import itertools
import pathlib
import socket
import threading
from collections.abc import Sequence

from settings.objectives import Prometheus
from steps.kit.findings import Level, Subject
from steps.objectives.doctor import examine_prometheus
from tests.probes.servers import answer, closed_port, serving
from tests.steps.platforms import NOWHERE, a_platform
from tests.steps.scripted_prometheus import ONE, scripted_prometheus
from tests.tables import cases


@cases(
    "starts split",
    {
        "workers with counters of their own": ([b"1.7959e+09", b"1795900003.5"], True),
        "one process": ([b"1795900003.5"], False),
        "no start is told": ([], False),
    },
)
def test_workers_that_are_scraped_in_one_place(
    tmp_path: pathlib.Path, starts: Sequence[bytes], *, split: bool
) -> None:
    workers = [answer(b"up 1\nprocess_start_time_seconds " + one + b"\n") for one in starts]
    turns = itertools.cycle(workers or [answer(b"up 1\n")])

    def behave(connection: socket.socket, over: threading.Event) -> None:
        next(turns)(connection, over)

    with serving(behave) as target, scripted_prometheus() as server:
        server.answers = {"max(time()": ONE, "up{": (({"instance": target.url[7:]}, "1"),)}
        platform = a_platform(
            tmp_path,
            {"eu": NOWHERE.format(closed_port())},
            prometheus_at=server.url,
            prometheus={"job": "clinic", "scrape_interval": "5s"},
        )
        section = platform.environment.settings.prometheus
        assert isinstance(section, Prometheus)
        _, scrapes, *_ = examine_prometheus(Subject(platform, release_known=True), "eu", section)
    assert scrapes.level is (Level.BAD if split else Level.OK), scrapes.sentence
    assert ("several processes answer" in scrapes.sentence) is split
