Feature: Phase 1.1, the database is backed up
  Runbook, "1.1 Database Preparation": before anything is migrated there is a backup that can be trusted.

  @D1.1-1
  Scenario: A backup of this deployment is there and can be read
    When the backups of the database are listed
    Then the newest one was made for this deployment
    And pg_restore can read it and finds the rows of every table

  @D1.1-2
  Scenario: The backup is about as big as the ones before it
    When the backups of the database are listed
    Then the newest one is about as big as the ones before it

  @D1.1-3
  Scenario: The backup lies where backups belong, and a copy of it apart
    When the backups of the database are listed
    Then the newest one is of this deployment and has its copy apart
