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

  @TRIG-3
  Scenario: Data is lost or corrupt
    When the platform is watched
    Then what this trigger watches never lasts long enough to ask for a rollback

  @TRIG-4
  Scenario: A security vulnerability is actively exploited
    When the platform is watched
    Then what this trigger watches never lasts long enough to ask for a rollback

  @TRIG-5
  Scenario: A service is unavailable for more than 2 minutes
    When the platform is watched
    Then what this trigger watches never lasts long enough to ask for a rollback

  @TRIG-6
  Scenario: More than 10 users complain about critical functionality
    When the platform is watched
    Then what this trigger watches never lasts long enough to ask for a rollback

  @WATCH-1
  Scenario: The performance targets are met when the watch ends
    When the platform is watched
    Then each objective of the first hour meets its target then

  @CANARY-1
  Scenario: The release is not worse than the previous version, while both serve
    When the platform is watched
    Then no compared objective is proved to be worse than the previous version's
