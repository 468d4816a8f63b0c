Feature: The countdown as a whole
  Runbook, "Go/No-Go Decision", and the notices of "Stakeholder Communication" and "Pre-Deployment Tasks".

  @T1-GONOGO-2
  Scenario: All checklist items are completed
    When the results of this run's other items are read
    Then every one of them is completed, or waived by name

  @T1-GONOGO-4
  Scenario: All approvals are obtained
    When the results of this run's other items are read
    Then the approvals "T1-GONOGO-5, T1-GONOGO-6, T1-GONOGO-7, T1-GONOGO-8, T1-GONOGO-9" are all obtained

  @T7-CODE-7
  Scenario: The code freeze is announced
    When the signed statements of the release are read
    Then "T7-CODE-7" is posted where the environment says, or signed as the policy asks

  @T3-COMM-1
  Scenario: Stakeholders are notified of the deployment
    When the signed statements of the release are read
    Then "T3-COMM-1" is posted where the environment says, or signed as the policy asks

  @T2H-TASK-8
  Scenario: The deployment is announced
    When the signed statements of the release are read
    Then "T2H-TASK-8" is posted where the environment says, or signed as the policy asks
