Feature: The logs of the first hour
  Runbook, "Review Logs": lines are counted by level, event and signature; none is kept or shown.

  @XV-LOG-1
  Scenario: The application logs no critical error
    When the logs of the last hour are read in every region
    Then the app logged no critical error, and none that is new or more frequent than before

  @XV-LOG-2
  Scenario: There is no security alert
    When the logs of the last hour are read in every region
    Then the security monitor was at work, and reported no alert

  @XV-LOG-3
  Scenario: Failed logins do not spike
    When the logs of the last hour are read in every region
    Then the security monitor counted no spike of failed logins against the time before

  @XV-LOG-4
  Scenario: The audit log captures events correctly
    When the gate reads something harmless under a unique id in every region
    And the logs of the last hour are read in every region
    Then the audit log has exactly one entry of it: who, when, what
    And the audit service was at work, and logged no error that is new or more frequent than before
