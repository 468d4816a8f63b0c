Feature: The day and the week after a rollback
  Runbook, "Post-Rollback Actions": what people owe within 24 hours and within a week, each signed after the rollback.

  @RB-DAY-1
  Scenario: The root cause analysis is initiated
    When the signed statements of the release are read
    Then "RB-DAY-1" is signed since the rollback

  @RB-DAY-2
  Scenario: The incident report is created
    When the signed statements of the release are read
    Then "RB-DAY-2" is signed since the rollback

  @RB-DAY-3
  Scenario: The fix is planned and scheduled
    When the signed statements of the release are read
    Then "RB-DAY-3" is signed since the rollback

  @RB-DAY-4
  Scenario: The deployment runbook is updated
    When the signed statements of the release are read
    Then "RB-DAY-4" is signed since the rollback

  @RB-DAY-5
  Scenario: The lessons learned are documented
    When the signed statements of the release are read
    Then "RB-DAY-5" is signed since the rollback

  @RB-WEEK-1
  Scenario: The post-mortem meeting is conducted
    When the signed statements of the release are read
    Then "RB-WEEK-1" is signed since the rollback

  @RB-WEEK-2
  Scenario: Process improvements are identified
    When the signed statements of the release are read
    Then "RB-WEEK-2" is signed since the rollback

  @RB-WEEK-3
  Scenario: Testing gaps are addressed
    When the signed statements of the release are read
    Then "RB-WEEK-3" is signed since the rollback

  @RB-WEEK-4
  Scenario: The documentation is updated
    When the signed statements of the release are read
    Then "RB-WEEK-4" is signed since the rollback

  @RB-WEEK-5
  Scenario: The team training is scheduled
    When the signed statements of the release are read
    Then "RB-WEEK-5" is signed since the rollback
