Feature: Phase 3.3, the traffic is switched

  @D3.3-1
  Scenario: The traffic is switched to the new version
    When the clusters of every region are read
    Then the service leads to the release's ready pods and to nothing else

  @D3.3-2
  Scenario: The error rate since the switch is below 0.1 %
    When the events since the traffic switch are counted in every region
    Then they prove the policy's target and stay under its rollback limit

  @D3.3-3
  Scenario: The response times since the switch are within the p95 of 200 ms
    When the events since the traffic switch are counted in every region
    Then they prove the policy's target and stay under its rollback limit
