Feature: What people have to say
  Runbook, Pre-Deployment Checklist: what can't be measured is signed by whoever answers for it.

  @T7-TEST-4
  Scenario: Penetration testing is completed
    When the signed statements of the release are read
    Then "T7-TEST-4" is signed as the policy asks

  @T7-DOCS-2
  Scenario: The user documentation is updated
    When the signed statements of the release are read
    Then "T7-DOCS-2" is signed as the policy asks

  @T7-DOCS-3
  Scenario: The admin documentation is updated
    When the signed statements of the release are read
    Then "T7-DOCS-3" is signed as the policy asks

  @T7-DOCS-4
  Scenario: The runbook is reviewed
    When the signed statements of the release are read
    Then "T7-DOCS-4" is signed as the policy asks
    And the documents that the runbook names are there

  @T7-DOCS-6
  Scenario: Training materials are prepared
    When the signed statements of the release are read
    Then "T7-DOCS-6" is signed as the policy asks

  @T7-INFRA-5
  Scenario: The plan for the CDN's caches is prepared
    When the signed statements of the release are read
    Then "T7-INFRA-5" is signed as the policy asks

  @T7-SEC-3
  Scenario: Access control lists are reviewed
    When the signed statements of the release are read
    Then "T7-SEC-3" is signed as the policy asks

  @T7-SEC-4
  Scenario: HIPAA and GDPR are validated
    When the signed statements of the release are read
    Then "T7-SEC-4" is signed as the policy asks

  @T7-SEC-5
  Scenario: The privacy impact is assessed
    When the signed statements of the release are read
    Then "T7-SEC-5" is signed as the policy asks

  @T3-COMM-2
  Scenario: The support team is briefed
    When the signed statements of the release are read
    Then "T3-COMM-2" is signed as the policy asks

  @T3-COMM-3
  Scenario: The customer success team is notified
    When the signed statements of the release are read
    Then "T3-COMM-3" is signed as the policy asks

  @T3-COMM-4
  Scenario: External partners are notified
    When the signed statements of the release are read
    Then "T3-COMM-4" is signed as the policy asks

  @T3-PREP-7
  Scenario: The deployment scripts are reviewed
    When the signed statements of the release are read
    Then "T3-PREP-7" is signed as the policy asks

  @T1-GONOGO-1
  Scenario: The Go/No-Go meeting is held
    When the signed statements of the release are read
    Then "T1-GONOGO-1" is signed as the policy asks

  @T1-GONOGO-5
  Scenario: The engineering manager approves
    When the signed statements of the release are read
    Then "T1-GONOGO-5" is signed as the policy asks

  @T1-GONOGO-6
  Scenario: The QA lead approves
    When the signed statements of the release are read
    Then "T1-GONOGO-6" is signed as the policy asks

  @T1-GONOGO-7
  Scenario: The security lead approves
    When the signed statements of the release are read
    Then "T1-GONOGO-7" is signed as the policy asks

  @T1-GONOGO-8
  Scenario: The product manager approves
    When the signed statements of the release are read
    Then "T1-GONOGO-8" is signed as the policy asks

  @T1-GONOGO-9
  Scenario: The VP Engineering approves a major release
    When the signed statements of the release are read
    Then "T1-GONOGO-9" is signed as the policy asks

  @T1-FINAL-1
  Scenario: The deployment team is available
    When the signed statements of the release are read
    Then "T1-FINAL-1" is signed as the policy asks

  @T1-FINAL-5
  Scenario: The emergency rollback plan is reviewed
    When the signed statements of the release are read
    Then "T1-FINAL-5" is signed as the policy asks
    When the way back from the release is looked for
    Then one method fits what the release changed and what is true now

  @T2H-TASK-1
  Scenario: The team is on the call
    When the signed statements of the release are read
    Then "T2H-TASK-1" is signed as the policy asks

  @T2H-TASK-2
  Scenario: Screen sharing is enabled
    When the signed statements of the release are read
    Then "T2H-TASK-2" is signed as the policy asks

  @T2H-TASK-3
  Scenario: The dashboards are displayed
    When the signed statements of the release are read
    Then "T2H-TASK-3" is signed as the policy asks

  @WIN-3
  Scenario: An emergency window has its approval
    When the signed statements of the release are read
    Then "WIN-3" is signed as the policy asks
