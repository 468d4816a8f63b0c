Feature: Phase 1.3, services are scaled up

  @D1.3-1
  Scenario: Services are scaled up
    When the clusters of every region are read
    Then what carries the traffic is scaled up for the deployment

  @D1.3-2
  Scenario: All pods are running
    When the clusters of every region are read
    Then all its pods are running and ready
