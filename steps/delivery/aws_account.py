"""Whose AWS the checks ask: account, region and credentials of the environment."""

from __future__ import annotations

import probes
from steps.kit.platform import NotDescribedError, Platform


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
