Feature: What other tools prove before the deployment
  Runbook, "T-7 Days", Testing & Quality, and Security. The documents of each item are named in
  gates/policy/evidence.yaml; files.json in the release's folder lists the files.

  @T7-TEST-1
  Scenario: All automated tests pass
    When the evidence of the release is read
    Then each document that the policy names is there, unchanged, of this release and young enough
    And no test failed, and no suite is missing that the release before had

  @T7-TEST-2
  Scenario: The load test held the rate
    When the evidence of the release is read
    Then each document that the policy names is there, unchanged, of this release and young enough
    And the load run passed, at the rate and within the times that the policy asks for

  @T7-TEST-3
  Scenario: The security scans are complete
    When the evidence of the release is read
    Then each document that the policy names is there, unchanged, of this release and young enough
    And each scan is whole, and each bill of materials lists something

  @T7-TEST-5
  Scenario: The performance tests held the response time
    When the evidence of the release is read
    Then each document that the policy names is there, unchanged, of this release and young enough
    And the load run passed, at the rate and within the times that the policy asks for

  @T7-TEST-6
  Scenario: The accessibility tests are complete
    When the evidence of the release is read
    Then each document that the policy names is there, unchanged, of this release and young enough
    And no page violates WCAG
    And "T7-TEST-6" is signed as the policy asks

  @T7-TEST-7
  Scenario: The browser tests are complete
    When the evidence of the release is read
    Then each document that the policy names is there, unchanged, of this release and young enough
    And its tests passed in every browser that the policy asks for

  @T7-TEST-8
  Scenario: The tests of the mobile apps are complete
    When the evidence of the release is read
    Then each document that the policy names is there, unchanged, of this release and young enough
    And no test failed, and no suite is missing that the release before had
    And "T7-TEST-8" is signed as the policy asks, where no document proves it

  @T7-SEC-1
  Scenario: The security scans found nothing critical or high
    When the evidence of the release is read
    Then each document that the policy names is there, unchanged, of this release and young enough
    And no scan found anything as grave as the policy forbids

  @T7-INFRA-3
  Scenario: The migration was tested in staging
    When the evidence of the release is read
    Then each document that the policy names is there, unchanged, of this release and young enough
    And staging's run of this gate was GO, with every check that is due there
