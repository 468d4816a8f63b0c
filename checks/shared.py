"""Systems that all regions share: looked at once, judged in every region of the run."""

from __future__ import annotations

from typing import Any

import probes
from checks.check import Check
from checks.platform import NotDescribedError, Platform
from gates.decide.judgement import Judgement
from probes.observation import Observation


def observe_everywhere(check: Check, *observations: Observation[Any]) -> None:
    """Keep observations of a shared system as evidence of every region."""
    for region in check.regions:
        for observation in observations:
            check.observe(region, observation)


def judge_everywhere(check: Check, *judgements: Judgement) -> None:
    """Judge the same in every region."""
    for region in check.regions:
        check.judge(region, *judgements)


def aws_target(platform: Platform) -> probes.aws.AwsTarget:
    """Return the gate's access to AWS; raises NotDescribedError without the section aws."""
    section = platform.environment.settings.aws
    if section is None:
        raise NotDescribedError("the environment lacks the section aws; add it")
    return probes.aws.AwsTarget(
        region=section.region,
        endpoint_url=section.endpoint_url,
        access_key_id=platform.secret(section.access_key_id),
        secret_access_key=platform.secret(section.secret_access_key),
        session_token=platform.secret(section.session_token),
        ca_file=section.ca_file,
    )
