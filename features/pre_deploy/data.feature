Feature: The data before the deployment
  Runbook, "T-7 Days", "T-1 Day" and "T-2 Hours": backups that were restored, and connections to spare.

  @T7-INFRA-2
  Scenario: The database is backed up, and a backup was restored lately
    When the backups of the database are listed
    Then the newest one is recent
    And pg_restore can read it and finds the rows of every table
    And the last restore test passed within the month

  @T1-FINAL-6
  Scenario: The backup is verified
    When the backups of the database are listed
    Then the newest one is recent
    And pg_restore can read it and finds the rows of every table
    And the last restore test passed within the week

  @T2H-TASK-5
  Scenario: The database has connections to spare and its standby keeps up
    Then the primary answers, has connections to spare, and its standbys keep up
