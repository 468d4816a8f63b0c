Feature: Feature flags in the countdown
  Runbook, T-3 days: "Feature flags configured". T-2 hours: "Feature flags in correct state".

  @T3-PREP-6
  Scenario: The feature flags are configured
    When the feature flags are read
    Then every flag holds a value that the platform can read
    And the flags that no deployment may change are as they always are
    And no flag is there that the environment does not describe

  @T2H-TASK-7
  Scenario: The feature flags are in the state agreed for before the deployment
    When the feature flags are read
    Then every flag is in the state "before"
    And no flag is there that the environment does not describe
