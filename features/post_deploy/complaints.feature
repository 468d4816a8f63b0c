Feature: What users complain about
  Runbook, "User Impact Assessment" of the first hour and "Day-After Review".

  @XV-USER-4
  Scenario: No customer complaints are received in the first hour
    When the support desk is read
    Then it has no more complaints about critical functionality than the first hour may bring

  @H24-3
  Scenario: The customer support tickets of the first day are reviewed
    When the support desk is read
    Then it has no more complaints about critical functionality than the first day may bring
    And "H24-3" is signed since the traffic switch
