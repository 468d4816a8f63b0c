Feature: Patients in a browser
  Runbook, "Deploy Web Application": what a patient does still works, with both forms of booking, and pages say what is wrong.

  @BR-BOOK-1
  Scenario: A patient books with the old form, pays and reaches the call
    When a synthetic patient books with the old form in a browser
    Then the walk comes to its end in every region
    And nothing happens on the way that the policy forbids

  @BR-BOOK-2
  Scenario: A patient books with the new form, pays and reaches the call
    When a synthetic patient books with the new form in a browser
    Then the walk comes to its end in every region
    And nothing happens on the way that the policy forbids

  @BR-PHONE-1
  Scenario: A patient signs in on a screen as small as a phone's
    When a synthetic patient signs in on a phone in a browser
    Then the walk comes to its end in every region
    And nothing happens on the way that the policy forbids

  @BR-OUT-1
  Scenario: A patient who signs out is out, here and on the platform
    When a synthetic patient signs out in a browser
    Then the walk comes to its end in every region
    And nothing happens on the way that the policy forbids

  @BR-EXPIRED-1
  Scenario: A patient whose session has expired reads it and signs in again
    When a synthetic patient goes on with an expired session in a browser
    Then the walk comes to its end in every region
    And nothing happens on the way that the policy forbids

  @BR-DECLINED-1
  Scenario: A patient whose card is declined reads it
    When a synthetic patient pays with a card that is declined in a browser
    Then the walk comes to its end in every region
    And nothing happens on the way that the policy forbids

  @BR-DOWN-1
  Scenario: A patient who finds the API down reads it
    When a synthetic patient finds the API down in a browser
    Then the walk comes to its end in every region
    And nothing happens on the way that the policy forbids
