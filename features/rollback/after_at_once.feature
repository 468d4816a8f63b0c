Feature: Within 15 minutes of any rollback
  Runbook, "Post-Rollback Actions": Immediate. What serves is what was there before, and everybody knows.

  @RB-NOW-1
  Scenario: The rollback is successful
    When the liveness endpoint of the api is read in every region
    Then it reports healthy
    And it reports the restored version
    And what the version before shares with the release is as before it

  @RB-NOW-2
  Scenario: The error rates are normal again
    When the events since the traffic switch are counted in every region
    Then they prove the policy's target and stay under its rollback limit

  @RB-NOW-3
  Scenario: The users can do again what they could
    When a synthetic patient walks the journey in every region
    Then the registration succeeds
    And the login succeeds
    And the booking succeeds
    And the payment succeeds
    And the video call succeeds

  @RB-NOW-4
  Scenario: The stakeholders are notified of the rollback
    When the signed statements of the release are read
    Then "RB-NOW-4" is posted where the environment says, or signed as the policy asks

  @RB-NOW-5
  Scenario: The status page tells of it
    When the status page is read
    Then it tells of the incident, updated since the rollback

  @RB-NOW-6
  Scenario: The incident notification is posted
    When the signed statements of the release are read
    Then "RB-NOW-6" is posted where the environment says, or signed as the policy asks
