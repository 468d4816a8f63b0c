Feature: Phase 2, the database is migrated
  Runbook, "2.1 Run Database Migrations" and "2.2 Verify Database Schema".

  @D2.1-1
  Scenario: Every migration of the release was carried out
    When the migrations of the release are compared with those of the database
    Then every one was applied, unchanged, and no other

  @D2.1-2
  Scenario: Nothing went wrong in the migration logs
    When the migrations of the release are compared with those of the database
    Then no error was logged in the database
    And the log of the run shows no error and its success

  @D2.1-3
  Scenario: The schema has the version of the release
    When the migrations of the release are compared with those of the database
    Then the last one is the last one of the release
    And nothing of the schema changed without a migration

  @D2.2-1
  Scenario: Every expected table is there with its columns
    When the tables of the database are read
    Then every expected table has every expected column

  @D2.2-2
  Scenario: The tables have as many rows as before
    When the tables of the database are read
    Then every counted table has as many rows as the baseline allows

  @D2.2-3
  Scenario: No row refers to what is not there
    When the tables of the database are read
    Then no row is an orphan and every foreign key holds
