"""Feature flags in Redis and the audit log of their changes: what each must be, where it is read."""

from __future__ import annotations

import fnmatch
import shlex
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from settings.sections import HttpUrl, Name, Port, Seconds, SecretReference, Section, Skew, Text

Percentage = Annotated[int, Field(ge=1, le=100)]
FlagName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
Key = Annotated[str, Field(pattern=r"^[^{}]*\{flag\}[^{}]*$")]


class Redis(Section):
    """The gate's own restricted login."""

    host: Text
    """The master."""
    port: Port = 6379
    """TCP port."""
    database: int = Field(default=0, ge=0)
    """Number of the logical database."""
    user: Text = "default"
    """An ACL user of the gate's own; docs/platform-contract.md has the line that makes it."""
    password: SecretReference | None = None
    """Of that user."""
    tls: bool = True
    """Whether the port speaks TLS."""
    ca_file: str | None = None
    """File of the authority that signs the server's certificate, where it is not a public one."""

    @property
    def cli(self) -> str:
        """The beginning of a command that an administrator gives this server."""
        more = ["--tls"] if self.tls else []
        more += ["--cacert", self.ca_file] if self.tls and self.ca_file else []
        more += ["-n", str(self.database)] if self.database else []
        return shlex.join(["redis-cli", "-h", self.host, "-p", str(self.port), *more])


class FlagState(Section):
    """What one flag is meant to be: its switch, and the percentage of users who have it anyway."""

    enabled: bool
    """On for everybody, or not."""
    percentage: int = Field(default=0, ge=0, le=100)
    """For so many users of a hundred; a missing percentage counts as 0, any other must be there."""


class Flags(Section):
    """The platform's feature flags in Redis, read with the gate's own login."""

    enabled_key: Key = "feature:{flag}"
    """The key of a flag's switch."""
    percentage_key: Key = "feature:{flag}:percentage"
    """The key of its percentage."""
    every_key: Text = "feature:*"
    """The pattern, as SCAN means it, that all keys of flags match and no others."""
    word_for_on: Text = "true"
    """What a switch holds that is on, to the letter."""
    word_for_off: Text = "false"
    """What a switch holds that is off, to the letter."""
    always: dict[FlagName, FlagState] = Field(default_factory=dict)
    """Flags that no moment of the deployment may change."""
    states: dict[Name, dict[FlagName, FlagState]]
    """By moment, in the order in which the deployment goes through them, as the features name them:
    before, safe, test. Each names the same flags."""
    temporary: tuple[FlagName, ...] = ()
    """Flags that may be there during a deployment only; gone when everything is back to normal."""
    unknown: Literal["fail", "ignore"] = "fail"
    """What a flag means that stands nowhere here. `ignore` spares the scan of all keys."""
    changes_within: Seconds = Field(default=4 * 3600.0, ge=600)
    """How far back the audit log is read for the changes of this deployment; it must be longer than a
    deployment may take."""

    def _refusals(self) -> Iterator[str]:
        if not self.states:
            yield "states is empty; name at least one moment with its flags"
        if not any(self.states.values()) and not self.always:
            yield "no flag is described, so no check of one can fail; name the flags"
        yield from self._keys_not_to_be_found()
        (first, flags), *others = self.states.items()
        for moment, described in others:
            if set(described) != set(flags):
                yield f"states.{moment} and states.{first} name different flags"
        twice = sorted((set(flags) & set(self.always)) | (self._changing & set(self.temporary)))
        if twice:
            yield f"{twice[0]} is described twice; keep one of its places"
        if self.word_for_on == self.word_for_off:
            yield "word_for_on and word_for_off are the same"

    def _keys_not_to_be_found(self) -> Iterator[str]:
        """Yield why keys are one and the same, or are not found by the pattern of all keys."""
        if self.enabled_key == self.percentage_key:
            yield "enabled_key and percentage_key are the same; a flag has two keys"
        for name in ("enabled_key", "percentage_key"):
            key = getattr(self, name)
            if not fnmatch.fnmatchcase(key.format(flag="x"), self.every_key):
                yield (
                    f"every_key “{self.every_key}” does not match {name} “{key}”, so a flag that "
                    "nobody described could never be found; fix the pattern"
                )

    @property
    def _changing(self) -> set[str]:
        return {*self.always, *next(iter(self.states.values()))}

    @property
    def words(self) -> tuple[str, str]:
        """What a switch may hold: on, and off."""
        return self.word_for_on, self.word_for_off

    def word(self, *, enabled: bool) -> str:
        """Return what a switch holds that is on, or off."""
        return self.word_for_on if enabled else self.word_for_off

    def state(self, moment: str) -> dict[str, FlagState]:
        """Return what every flag must be at a moment; raises KeyError for an unknown one."""
        return {**self.always, **self.states[moment]}

    @property
    def rolled_out(self) -> dict[str, FlagState]:
        """Return the flags that the last moment gives to some users: what is given to more each day."""
        last = [*self.states.values()][-1]
        return {name: one for name, one in last.items() if one.percentage}

    def earlier(self, moment: str) -> list[dict[str, FlagState]]:
        """Return the states before a moment, in order; raises ValueError for an unknown one."""
        names = list(self.states)
        return [self.state(name) for name in names[: names.index(moment)]]

    def keys(self, flag: str) -> tuple[str, str]:
        """Return the keys of a flag's switch and of its percentage."""
        return self.enabled_key.format(flag=flag), self.percentage_key.format(flag=flag)


class RolloutPolicy(Section):
    """To how many users of a hundred a new feature is given, on the days of the rollout."""

    percentages: Annotated[tuple[Percentage, ...], Field(min_length=4, max_length=4)] = (
        *(10, 25),
        *(50, 100),
    )
    """On days 1, 2, 3 and 7 after the traffic switch."""

    def _refusals(self) -> Iterator[str]:
        if list(self.percentages) != sorted(set(self.percentages)):
            yield "percentages must grow from day to day"

    def of(self, day: int) -> int:
        """Return the percentage of a day of the rollout."""
        return self.percentages[(1, 2, 3, 7).index(day)]


class AuditTrial(Section):
    """A harmless read that the platform must record: sent by the gate under an id of its own."""

    service: Name
    """Which service is asked, in every region."""
    path: str = Field(pattern=r"^/[^{}]*\{id\}[^{}]*$")
    """What is read with GET; `{id}` becomes the unique id. It must change nothing and name no patient."""
    token: SecretReference
    """Sent as a bearer token."""
    header: Text = "X-Request-Id"
    """Carries the unique id, which must come back as the entry's `request_id`."""
    action: Text
    """What the log calls this read."""


class Audit(Section):
    """The audit log, read over the interface that docs/platform-contract.md describes."""

    address: HttpUrl
    """Where it answers."""
    path: str = Field(default="/v1/audit", pattern=r"^/[^?#\s]*$")
    """Below that address."""
    token: SecretReference
    """A token of the gate's own that may read entries and nothing else."""
    ca_file: str | None = None
    """File of the authority that signs its certificate, where it is not a public one."""
    flag_change: Text
    """What the log calls a change of a feature flag."""
    appears_within: Seconds = Field(default=60.0, gt=0, le=600)
    """How long an entry may take from what it records to where the gate reads it."""
    max_clock_skew: Skew = 30.0
    """The gate's clock and the log's may differ by so much."""
    trial: AuditTrial
    """Shows whether the log records at all."""
