Feature: Phase 5.1, the configuration is updated

  @D5.1-1
  Scenario: The configuration maps are updated
    When the clusters of every region are read
    Then the configuration map holds what the release needs

  @D5.1-2
  Scenario: The pods are restarted successfully
    When the clusters of every region are read
    Then the release's pods were replaced since it changed, and all are ready

  @D5.1-3
  Scenario: The new configuration is applied
    When the clusters of every region are read
    Then every container of the release started with it
