Feature: The clusters one week before

  @T7-INFRA-1
  Scenario: The clusters are healthy
    When the clusters of every region are read
    Then nodes, the cluster's own pods and its API are well

  @T7-INFRA-4
  Scenario: The clusters have room for the deployment
    When the clusters of every region are read
    Then every pod that the deployment adds finds room
    And no file system is nearly full
