Feature: New features for some of the users
  Runbook, phase 5.2: the new features are given to a test percentage, and every change is logged.

  @D5.2-1
  Scenario: The new features are enabled for the test percentage
    When the feature flags are read
    Then every flag is in the state "test"
    And no flag is there that the environment does not describe

  @D5.2-2
  Scenario: The changes to the test percentage are logged
    When the feature flags are held against the audit log
    Then it has every change up to the state "test": who, when, from what, to what
