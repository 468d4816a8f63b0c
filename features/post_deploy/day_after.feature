Feature: The day after
  Runbook, "Day-After Review": what can be measured is, and stands beside what a person signs.

  @H24-1
  Scenario: The monitoring dashboards are reviewed
    When the signed statements of the release are read
    Then "H24-1" is signed since the traffic switch

  @H24-2
  Scenario: No incident is open
    When the people behind the deployment are looked up
    Then no incident that calls somebody is open at the platform's services

  @H24-4
  Scenario: The application logs are analysed
    When the logs of the last day are read in every region
    Then the app logged no critical error, and none that is new or more frequent than before
    And "H24-4" is signed since the traffic switch

  @H24-5
  Scenario: The security logs are reviewed
    When the logs of the last day are read in every region
    Then the security monitor was at work, and reported no alert
    And the security monitor counted no spike of failed logins against the time before
    And "H24-5" is signed since the traffic switch

  @H24-6
  Scenario: The trends of performance are checked
    When every figure of the first hour is read since the traffic switch
    Then if their trends continue, all of them keep to their limits for the same time again
    And "H24-6" is signed since the traffic switch

  @H24-7
  Scenario: The data are whole
    When the tables of the database are read
    Then every expected table has every expected column
    And every counted table has as many rows as the baseline allows
    And no row is an orphan and every foreign key holds
