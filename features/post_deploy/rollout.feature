Feature: Gradual feature rollout
  Runbook, "Gradual Feature Rollout": 10 % on day 1, 25 % on day 2, 50 % on day 3, 100 % on day 7.

  @ROLLOUT-1
  Scenario: The new features have the percentage of their day
    When the feature flags are read
    Then as many days have passed since the traffic switch as the day of the rollout asks for
    And each new feature has the percentage of its day, by both its keys
