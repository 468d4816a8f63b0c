Feature: Feature flags before the deployment
  Runbook, phase 1.2: new features are off while the release is deployed, and every change is logged.

  @D1.2-1
  Scenario: The feature flags are set to their safe state
    When the feature flags are read
    Then every flag is in the state "safe"
    And no flag is there that the environment does not describe

  @D1.2-2
  Scenario: The changes to the safe state are logged
    When the feature flags are held against the audit log
    Then it has every change up to the state "safe": who, when, from what, to what
