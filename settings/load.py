"""Whether a load test may send to an environment, and how much."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from settings.sections import Name, Section

_HOLDS_A_SECRET = frozenset({"authorization", "cookie", "proxy-authorization"})

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")]
HeaderValue = Annotated[str, Field(pattern=r"^[!-~]([ -~]*[!-~])?$")]


class Load(Section):
    """Whether `locust -f load/` may send to this environment, and how much."""

    allowed: bool = False
    """Nothing is sent unless this is true. Production says no: a load test is no reason to be slow for
    patients."""
    service: Name | None = None
    """Its name under `regions.*.services`; every region has an address for it, and load goes there alone."""
    max_rps: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """More requests a second, over all regions together, are refused before anything is sent."""
    accounts: int = Field(default=100, ge=0, le=100_000)
    """Synthetic accounts in each region, made and logged in before the load begins and removed after it;
    they are `synthetic` ones. 0: for a scenario that needs none; that of `load/locustfile.py` does."""
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=lambda: {"X-Synthetic-Traffic": "1"}
    )
    """Sent with every request, so that the platform's people can tell load from patients; without it
    `X-Synthetic-Traffic: 1`. Never a secret."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        secret = next((name for name in self.headers if name.lower() in _HOLDS_A_SECRET), None)
        if secret is not None:
            raise ValueError(f"headers.{secret} would hold a secret; remove it")
        for key in ("service", "max_rps"):
            if self.allowed and getattr(self, key) is None:
                raise ValueError(f"allowed needs {key}; add it")
        return self
