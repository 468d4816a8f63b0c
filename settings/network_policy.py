"""The policy's words on names and certificates: how long a change may take, how long a certificate lasts."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from settings.sections import Seconds, Section


class DnsPolicy(Section):
    """What a sane record is, and how long a changed one may take to be known everywhere."""

    propagation: Seconds = Field(default=300.0, gt=0, le=3600)
    """Every resolver answers the wanted values within this time (runbook: up to 5 minutes)."""
    min_ttl: Seconds = Field(default=30.0, ge=1)
    """Below it every visitor asks the authoritative servers again and again."""
    max_ttl: Seconds = Field(default=300.0, gt=0, le=86_400)
    """Over it a change cannot be known everywhere in time; a record may allow itself more."""

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.min_ttl > self.max_ttl:
            raise ValueError("min_ttl is over max_ttl, so no record could pass; swap them")
        return self


class CertificatePolicy(Section):
    """What a certificate and its handshake must be."""

    min_days_left: float = Field(default=30.0, ge=1, le=365, allow_inf_nan=False)
    """Days until it expires (runbook: 30)."""
    min_protocol: Literal["TLSv1.2", "TLSv1.3"] = "TLSv1.2"
    """The oldest version of TLS that a server may agree on with a modern client."""
