Feature: After a rollback of the feature flags
  Runbook, Rollback Procedures: "Method 2: Feature Flag Rollback". A flag has two keys, its switch and its
  percentage; the runbook's own commands leave the second.

  @RB-FLAG-1
  Scenario: The features are disabled
    When the feature flags are read
    Then no feature of the release is on
    And no feature flag was changed since the rollback

  @RB-FLAG-2
  Scenario: The impact on the users is assessed
    When the events since the traffic switch are counted in every region
    Then they prove the policy's target and stay under its rollback limit
    And "RB-FLAG-2" is signed since the rollback

  @RB-FLAG-3
  Scenario: The error rate is watched
    When the events since the traffic switch are counted in every region
    Then they prove the policy's target and stay under its rollback limit

  @RB-FLAG-4
  Scenario: The stakeholders know of the flags
    When the signed statements of the release are read
    Then "RB-FLAG-4" is posted where the environment says, or signed as the policy asks
