Feature: Deciding on a rollback
  Runbook, "Rollback Procedures": Rollback Decision Authority, Rollback Methods; "Escalation Path".

  @METHOD-1
  Scenario: One method of rolling back fits
    When the way back from the release is looked for
    Then one method fits what the release changed and what is true now

  @AUTH-1
  Scenario: Who may order the rollback is known
    When the people behind a rollback are looked up
    Then whoever may order this rollback has a person and a way to reach them
    And "AUTH-1" is signed as the policy asks

  @ESC-1
  Scenario: Whoever is called next can be reached
    When the people behind a rollback are looked up
    Then every level of the escalation has a person and a way to reach them
    And somebody answers for every service now
