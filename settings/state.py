"""Where the gate keeps what its later runs need: the baseline and the history of a deployment."""

from __future__ import annotations

from settings.data import Location
from settings.fields import HttpUrl
from settings.sections import Section


class State(Section):
    """A place that all runs of the gate for this environment can read and add to."""

    url: Location
    """A folder (relative to this file), or an address such as s3://bucket/folder. The machine's own
    credentials are used. Regions that are gated from different machines need an address that all reach."""
    endpoint: HttpUrl | None = None
    """Of an object store that is not Amazon's own."""
