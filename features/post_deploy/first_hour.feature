Feature: The first hour after the traffic switch
  Runbook, Extended Validation (First Hour): "Monitor Key Metrics".
  The figures stand in gates/policy/stability.yaml and objectives.yaml.

  @XV-APP-1
  Scenario: The request rate is stable or increasing
    When the release has carried traffic for the whole look-back
    Then what the policy measures it by keeps to its limits, and is as it was before the release

  @XV-APP-2
  Scenario: Response times are within the SLA
    When the events since the traffic switch are counted in every region
    Then they prove the policy's target and stay under its rollback limit

  @XV-APP-3
  Scenario: The error rate is under 0.1 %
    When the events since the traffic switch are counted in every region
    Then they prove the policy's target and stay under its rollback limit

  @XV-APP-4
  Scenario: The success rate is over 99.9 %
    When the events since the traffic switch are counted in every region
    Then they prove the policy's target

  @XV-INFRA-1
  Scenario: CPU utilisation is under 70 %
    When the release has carried traffic for the whole look-back
    Then what the policy measures it by keeps to its limits, and is as it was before the release

  @XV-INFRA-2
  Scenario: Memory utilisation is under 80 %
    When the release has carried traffic for the whole look-back
    Then what the policy measures it by keeps to its limits, and is as it was before the release

  @XV-INFRA-3
  Scenario: No pod has restarted
    When the clusters of every region are read
    Then all pods of the release are running and ready, and none has restarted

  @XV-INFRA-4
  Scenario: Network latency is stable
    When the release has carried traffic for the whole look-back
    Then what the policy measures it by keeps to its limits, and is as it was before the release

  @XV-DB-1
  Scenario: Connection pool utilisation is under 70 %
    When the release has carried traffic for the whole look-back
    Then what the policy measures it by keeps to its limits, and is as it was before the release

  @XV-DB-2
  Scenario: Query execution time is stable
    When the release has carried traffic for the whole look-back
    Then what the policy measures it by keeps to its limits, and is as it was before the release

  @XV-DB-3
  Scenario: No query runs for long
    When the primary's sessions are read
    Then no session has run a statement or a transaction for long

  @XV-DB-4
  Scenario: Standbys are less than a second behind
    When the primary's sessions are read
    Then what was written is on every standby within the policy's lag

  @XV-BIZ-1
  Scenario: Appointments are booked as before
    When the release has carried traffic for the whole look-back
    Then what the policy measures it by keeps to its limits, and is as it was before the release

  @XV-BIZ-2
  Scenario: Payments are processed as before
    When the release has carried traffic for the whole look-back
    Then what the policy measures it by keeps to its limits, and is as it was before the release

  @XV-BIZ-3
  Scenario: Users register as before
    When the release has carried traffic for the whole look-back
    Then what the policy measures it by keeps to its limits, and is as it was before the release

  @XV-BIZ-4
  Scenario: Video calls connect as before
    When the release has carried traffic for the whole look-back
    Then what the policy measures it by keeps to its limits, and is as it was before the release

  @XV-USER-1
  Scenario: No drop in active sessions
    When the release has carried traffic for the whole look-back
    Then what the policy measures it by keeps to its limits, and is as it was before the release
    And if its trend continues, it keeps to its limit for the same time again

  @XV-USER-2
  Scenario: No appointment is interrupted
    When the release has carried traffic for the whole look-back
    Then what the policy measures it by keeps to its limits, and is as it was before the release

  @XV-USER-3
  Scenario: No video call is dropped
    When the release has carried traffic for the whole look-back
    Then what the policy measures it by keeps to its limits, and is as it was before the release
