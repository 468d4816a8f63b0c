"""Whom a deployment can call on: the rota, the channels, the named contacts."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Self

from pydantic import Field, model_validator

from settings.fields import HttpUrl, SecretReference, Text
from settings.sections import Section


class PagerDuty(Section):
    """The rota, and the services that incidents of this platform go to."""

    url: HttpUrl = "https://api.pagerduty.com"
    """Its REST API."""
    token: SecretReference
    """A read-only API key."""
    schedules: tuple[Text, ...] = Field(min_length=1)
    """Ids of the schedules that somebody must be on, at the first level, all the time."""
    services: tuple[Text, ...] = Field(min_length=1)
    """Ids of the services that must take incidents."""


class Slack(Section):
    """The channels of a deployment."""

    url: HttpUrl = "https://slack.com/api"
    """Its Web API."""
    token: SecretReference
    """Of the app that posts the release's news, with the scopes channels:read and groups:read."""
    channels: tuple[Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,80}$")], ...] = Field(min_length=1)
    """By name, without #; each must be open and the app a member."""


class Contact(Section):
    """Who fills a role."""

    name: str
    """A person, or On-Call Rotation."""
    phone: str = ""
    """International, such as +49 30 1234567."""
    email: str = ""
    """Where phone is empty, an address that is read at night."""


class DeploymentWindow(Section):
    """When the deployment happens."""

    begins: dt.datetime
    """With time zone."""
    ends: dt.datetime
    """With time zone."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.begins.tzinfo is None or self.ends.tzinfo is None:
            raise ValueError("begins and ends need a time zone, such as 2026-01-31T22:00:00Z")
        if self.ends <= self.begins:
            raise ValueError("ends must lie behind begins")
        return self


class People(Section):
    """Whom a deployment can call on."""

    window: DeploymentWindow
    """Somebody must be on call in it and through the day after."""
    pagerduty: PagerDuty
    """The rota."""
    slack: Slack
    """The channels."""
    roles: tuple[Text, ...] = Field(min_length=1)
    """Every role that must have a person."""
    contacts: dict[str, Contact]
    """Role → who fills it."""
    ca_file: str | None = None
    """File of the authority that signs the services' certificates, where it is not a public one."""
