Feature: Secrets before the deployment
  Runbook, T-7 days, "Security & Compliance": secrets are rotated in production. Their values are never read.

  @T7-SEC-2
  Scenario: Secrets were rotated in time
    When the ages of the secrets and access keys are read
    Then none is older than the policy allows
