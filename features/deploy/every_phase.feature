Feature: What every phase of the deployment asks
  Runbook, "Phase 1" to "Phase 7": the planned minutes; "Rollback Methods"; "Deployment Windows".

  @TIME-1
  Scenario: The phases keep to the plan as far as the deployment window needs it
    When the times of the deployment's phases are read
    Then the rest of the deployment and a rollback fit into the deployment window
