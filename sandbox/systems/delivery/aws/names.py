"""What the account's things are called: as in the runbook, so that the gate's policy fits as it is."""

from __future__ import annotations

import datetime as dt

ACCOUNT = "123456789012"
REGION = "us-east-1"
BUCKET = "unified-health-web-prod"
DISTRIBUTION = "E1234567890"
INVALIDATION_PATH = "/*"
INVALIDATION_ORDERED_AFTER = dt.timedelta(milliseconds=200)
INVALIDATION_TAKES = dt.timedelta(seconds=1)
SECRETS = ("unified-health/prod/database", "unified-health/prod/jwt", "unified-health/prod/stripe")
KEY_USER = "unified-health-ci"
