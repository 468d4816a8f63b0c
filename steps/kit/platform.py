"""The platform under test, as one run sees it: settings, policy, release, regions, deadline."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime as dt
import pathlib
from collections.abc import Callable, Mapping
from typing import TypeVar, get_args

from pydantic import SecretStr

import probes
from environments.loader import Loaded, shown
from gates.decide.release import Release
from gates.load import Checks
from probes import http
from probes.http import HeaderValue, HttpTarget
from probes.observation import Deadline
from settings.environment import Environment
from settings.objectives import Prometheus
from settings.policy import Policy
from settings.sections import Section
from settings.service import HealthEndpoint
from steps.kit.request import Request, regions_of, release_of, rolled_back_at_of, switched_at_of

T = TypeVar("T")
S = TypeVar("S", bound=Section)

CONFIRM_FLOOR_SECONDS = 2.0
POLL_FLOOR_SECONDS = 0.25


class NotDescribedError(Exception):
    """A check needs what the environment does not describe; the text names the key to add."""


@dataclasses.dataclass(frozen=True, slots=True)
class Platform:
    """Everything a check needs to know; frozen, shared by all checks of a run."""

    environment: Loaded
    policy: Policy
    release: Release
    regions: tuple[str, ...]
    switched_at: dt.datetime | None
    deadline: Deadline
    run_id: str
    phase: int | None = None
    """The phase of the deployment that is asked about; None outside of one."""
    watch_seconds: float | None = None
    """How long the release is watched; None outside of a watch."""
    restored: Release | None = None
    """After a rollback of the release: the version that has to serve."""
    resumed: pathlib.Path | None = None
    """The events of a watch that this one goes on with."""
    asked_as: str = ""
    """What --env said, for commands: the environment's name or the path of its file."""

    @classmethod
    def of(cls, loaded: Loaded, policy: Policy, request: Request, run_id: str) -> Platform:
        """Return the platform that a caller asks for; raises RequestError."""
        at_of = rolled_back_at_of if request.restored else switched_at_of
        return cls(
            environment=loaded,
            policy=policy,
            release=release_of(request.release, request.env, loaded),
            regions=regions_of(request.regions, loaded),
            switched_at=at_of(request.switched_at, loaded),
            deadline=Deadline.after(
                0.0 if request.dry else policy.deadlines.run + (request.watch_seconds or 0.0)
            ),
            run_id=run_id,
            phase=request.phase,
            watch_seconds=request.watch_seconds,
            restored=Release.parse(request.restored) if request.restored else None,
            resumed=request.resumed,
            asked_as=request.env,
        )

    @property
    def serving(self) -> Release:
        """The version that has to serve: the release, or what its rollback restored."""
        return self.restored or self.release

    @property
    def policy_folder(self) -> str:
        """Where the policy of this environment lies, as people know it."""
        return shown(Checks.of(self.environment.checks).policy)

    def beside(self, name: str) -> pathlib.Path:
        """Return a file or folder that the environment's file names relative to itself."""
        return self.environment.path.parent / name

    def each_region(self, measure: Callable[[str], T]) -> dict[str, T]:
        """Call `measure` for every region at once; ten regions take as long as the slowest one."""
        with concurrent.futures.ThreadPoolExecutor(len(self.regions)) as pool:
            return dict(zip(self.regions, pool.map(measure, self.regions), strict=True))

    def call_deadline(self) -> Deadline:
        """Return the deadline of one call: the policy's, or the run's if that is sooner."""
        return self.deadline.sooner(self.policy.deadlines.call)

    def scaled(self, seconds: float, floor_seconds: float) -> float:
        """Return a policy's time in this environment's scale, not under a floor."""
        scale = self.environment.settings.time_scale
        return seconds if scale == 1 else max(seconds / scale, floor_seconds)

    @property
    def confirm_seconds(self) -> float:
        """How long an unavailability lasts before it counts."""
        return self.scaled(self.policy.availability.confirm_for, CONFIRM_FLOOR_SECONDS)

    @property
    def poll_seconds(self) -> float:
        """Seconds between two looks at something unavailable."""
        return self.scaled(self.policy.availability.poll_every, POLL_FLOOR_SECONDS)

    def section(self, kind: type[S]) -> S:
        """Return the environment's section of a kind; raises NotDescribedError, which names it."""
        for name, field in Environment.model_fields.items():
            if kind in get_args(field.annotation):
                section: S | None = getattr(self.environment.settings, name)
                if section is None:
                    raise NotDescribedError(f"the environment lacks the section {name}; add it")
                return section
        raise LookupError(f"no section of an environment is described by {kind.__name__}")

    def service(self, region: str, service: str) -> HttpTarget:
        """Return the address of a service as one region alone serves it."""
        settings = self.environment.settings
        return HttpTarget(settings.regions[region].services[service], settings.ca_file)

    def endpoint(self, service: str, endpoint: str) -> HealthEndpoint:
        """Return a health endpoint's description; raises NotDescribedError when there is none."""
        described = self.environment.settings.services.get(service)
        if described is None or endpoint not in described.health:
            raise NotDescribedError(
                f"the environment lacks services.{service}.health.{endpoint}; add it"
            )
        return described.health[endpoint]

    def prometheus(self, region: str) -> probes.prometheus.PrometheusTarget:
        """Return the Prometheus that watches a region; NotDescribedError without one."""
        section, address = self.section(Prometheus), self.environment.settings.regions[region]
        return probes.prometheus.PrometheusTarget(
            address.prometheus, self.secret(section.token), section.ca_file
        )

    def postgres(self) -> probes.postgres.PostgresTarget | None:
        """Return the gate's own login to the database, if the environment has one."""
        section = self.environment.settings.postgres
        if section is None:
            return None
        return probes.postgres.PostgresTarget(
            host=section.host,
            port=section.port,
            database=section.database,
            user=section.user,
            password=self.environment.secret(section.password),
            sslmode=section.sslmode,
            sslrootcert=section.sslrootcert,
        )

    def redis(self) -> probes.redis.RedisTarget | None:
        """Return the gate's own login to Redis, if the environment has one."""
        section = self.environment.settings.redis
        if section is None:
            return None
        return probes.redis.RedisTarget(
            host=section.host,
            port=section.port,
            database=section.database,
            user=section.user,
            password=self.secret(section.password),
            tls=section.tls,
            ca_file=section.ca_file,
        )

    def labels(self, region: str, own: Mapping[str, str]) -> dict[str, str]:
        """Return a metric's labels and the region's; `{release}` becomes the number that has to serve."""
        merged = {**own, **self.environment.settings.regions[region].labels}
        return {
            name: value.replace("{release}", self.serving.number) for name, value in merged.items()
        }

    def bearer(self, reference: str | None) -> dict[str, HeaderValue]:
        """Return the header with the bearer token behind a reference; none for none."""
        return http.bearer(self.secret(reference))

    def secret(self, reference: str | None) -> SecretStr | None:
        """Return the secret behind a reference of the environment; None for none."""
        return None if reference is None else self.environment.secret(reference)
