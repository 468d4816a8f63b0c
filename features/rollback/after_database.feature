Feature: After a restore of the database
  Runbook, "Method 4: Database Rollback": the application stopped, the backup restored, the code of before started again.
  Whoever restores writes what was restored when (evidence database-restore); each of its words is held against another.

  @RB-DB-1
  Scenario: The application was stopped
    When the restore of the database is read
    Then nobody who could write was connected since before its end
    And every pod of the app is younger than it, in every region
    And nothing of the app answered Prometheus while it ran, in any region

  @RB-DB-2
  Scenario: The database backup is restored
    When the restore of the database is read
    Then it was the backup of this deployment
    And every table was made anew, and holds what the backup holds
    And the migrations are those of before the release

  @RB-DB-3
  Scenario: The data are whole
    When the tables of the database are read
    Then every counted table has as many rows as the baseline allows while it is young
    And no row is an orphan and every foreign key holds
    And the schema is the one of before the release, and nothing of it is unfinished

  @RB-DB-4
  Scenario: The application's code is rolled back
    When the clusters of every region are read
    Then the restored version is rolled out completely, with the images it had before the release
    And nothing of the release runs any more
    And the service leads to the restored version's ready pods and to nothing else

  @RB-DB-5
  Scenario: The application is started again
    When the restore of the database is read
    Then what ran before the release runs again, as many pods as then

  @RB-DB-6
  Scenario: The health checks pass
    When the liveness endpoint of the api is read in every region
    Then it answers with status 200 and JSON
    And it reports healthy
    And it reports the restored version
    And the database answers the gate's own read-only query
    And every service of every region answers

  @RB-DB-7
  Scenario: The loss of data is assessed and documented
    When the restore of the database is read
    Then what it lost is counted, table by table
    And its assessment is signed since, as the policy asks
