Feature: Phase 7, monitoring
  Runbook, Deployment Steps: "Configure Alerts" and "Set Up Dashboards".

  @D7.1-1
  Scenario: The release's alert rules are applied
    When the monitoring is read
    Then the release's alert rules are loaded as shipped and evaluated in every region

  @D7.1-2
  Scenario: Prometheus scrapes all targets
    When the monitoring is read
    Then every job has all its targets in every region and all of them are up

  @D7.1-3
  Scenario: Alertmanager is configured
    When the monitoring is read
    Then alerts of every severity reach their receiver and the watchdog arrives

  @D7.2-1
  Scenario: The dashboards are loaded
    When the dashboards are read
    Then every dashboard is there and asks something
    And every dashboard has the panels of the release

  @D7.2-2
  Scenario: Metrics flow to Grafana
    When the dashboards are read
    Then every query of theirs returns data

  @D7.2-3
  Scenario: There are no gaps in the data
    When the scrapes of every job are counted step by step
    Then there was no gap in any region
