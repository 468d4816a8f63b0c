Feature: When to roll back
  Runbook, Rollback Procedures: "When to Rollback". Watched over time by `gate watch`;
  the conditions stand in gates/policy/triggers.yaml.

  @TRIG-1
  Scenario: More than 1 % of the requests fail for more than 5 minutes
    When the platform is watched
    Then what this trigger watches never lasts long enough to ask for a rollback

  @TRIG-2
  Scenario: The p95 response time is over 500 ms for more than 10 minutes
    When the platform is watched
    Then what this trigger watches never lasts long enough to ask for a rollback

  @TRIG-5
  Scenario: A service is unavailable for more than 2 minutes
    When the platform is watched
    Then what this trigger watches never lasts long enough to ask for a rollback
