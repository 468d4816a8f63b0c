Feature: The people and the instruments of the deployment day
  Runbook, Pre-Deployment Checklist: "Final Verification", "Pre-Deployment Tasks", emergency contacts.

  @T1-FINAL-2
  Scenario: Somebody is on call
    When the people behind the deployment are looked up
    Then somebody is on call in the deployment window and through the day after

  @T1-FINAL-3
  Scenario: The monitoring dashboards are prepared
    When the dashboards are read
    Then every dashboard is there and asks something

  @T1-FINAL-4
  Scenario: The communication channels are ready
    When the people behind the deployment are looked up
    Then the Slack channels are open and the PagerDuty services take incidents

  @CONTACT-1
  Scenario: Every role has a person
    When the people behind the deployment are looked up
    Then every role has a person and a way to reach them

  @T2H-TASK-4
  Scenario: The traffic baseline is captured
    When the baseline of the release is looked up
    Then it is of today and holds traffic and latency
