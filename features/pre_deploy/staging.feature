Feature: Staging before the deployment
  Runbook, "T-3 Days", Final Preparations: what runs of this gate, and the load test, showed in staging.

  @T3-PREP-1
  Scenario: Staging is deployed and validated
    When the evidence of the release is read
    Then each document that the policy names is there, unchanged, of this release and young enough
    And staging's run of this gate was GO, with every check that is due there

  @T3-PREP-2
  Scenario: The smoke tests passed in staging
    When the evidence of the release is read
    Then each document that the policy names is there, unchanged, of this release and young enough
    And staging's run of this gate was GO, with every check that is due there

  @T3-PREP-3
  Scenario: The performance benchmarks hold in staging
    When the evidence of the release is read
    Then each document that the policy names is there, unchanged, of this release and young enough
    And the load run passed, at the rate and within the times that the policy asks for

  @T3-PREP-4
  Scenario: The migration was tried
    When the evidence of the release is read
    Then each document that the policy names is there, unchanged, of this release and young enough
    And staging's run of this gate was GO, with every check that is due there

  @T3-PREP-5
  Scenario: The rollback was tried in staging
    When the evidence of the release is read
    Then each document that the policy names is there, unchanged, of this release and young enough
    And staging's run of this gate was GO, with every check that is due there
