Feature: Back to normal within the first hour

  @NORMAL-1
  Scenario: What was there only for the deployment is gone
    When the clusters of every region are read
    Then the capacity that was added for the deployment is gone
    And the flags that were there only for the deployment are gone
