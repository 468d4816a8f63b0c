Feature: Phase 3.2, the release is deployed beside what is live

  @D3.2-1
  Scenario: The deployment is applied successfully
    When the clusters of every region are read
    Then the release is rolled out completely, with the images that were released

  @D3.2-2
  Scenario: All new pods are running
    When the clusters of every region are read
    Then all pods of the release are running and ready, and none has restarted

  @D3.2-3
  Scenario: The new pods log no errors
    When the clusters of every region are read
    Then the logs of the release's pods hold no error

  @D3.2-4
  Scenario: The new pods pass their health checks while the live version keeps serving
    When the clusters of every region are read
    Then all pods of the release are ready and it answers its health check
    And what carries the traffic keeps its ready endpoints
