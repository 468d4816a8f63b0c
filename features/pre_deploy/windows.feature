Feature: When one may deploy
  Runbook, "Deployment Windows". Asked two hours before, and again in every phase.

  @WIN-1
  Scenario: What is left of the deployment, its validation and a rollback fit into a deployment window
    When the time of what is left of the deployment is planned
    Then all of it lies in an open deployment window

  @WIN-2
  Scenario: Nobody deploys on blackout days, in filing periods and during audits
    When the time of what is left of the deployment is planned
    Then no day on which nobody deploys lies in it
    And no entry of the calendars lies in it
