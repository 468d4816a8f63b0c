"""Certificates as clients meet them: every host at every address of every region."""

from __future__ import annotations

import concurrent.futures

from settings.network import Certificates
from steps.kit.asked import Asked
from steps.kit.run import Run
from steps.kit.sentence import described, then
from steps.network import reading, rules

_MOST_AT_ONCE = 8


described("TLS is spoken with every host in every region", Certificates, "certificates")


@then("every certificate is trusted under its host's name and lasts as long as the policy wants")
def certificates_good(run: Run, asked: Asked, certificates: Certificates) -> None:
    def judge(here: Asked) -> None:
        if len(asked.regions) > 1 and here.region not in certificates.addresses:
            here.judge(rules.seen_from_here_alone(here.region))
        meetings = list(reading.meetings(here))
        if not meetings:
            return
        with concurrent.futures.ThreadPoolExecutor(min(len(meetings), _MOST_AT_ONCE)) as pool:
            shown = list(pool.map(lambda one: reading.meet(here, run.availability, one), meetings))
        for host in certificates.hosts:
            seen = [one for one in shown if one is not None and one.host == host]
            here.judge(*rules.nodes_agree(host, seen))

    asked.in_each_region(judge)
