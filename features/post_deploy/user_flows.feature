Feature: Critical user flows in the first 15 minutes
  Runbook, Post-Deployment Validation: "Critical User Flows".
  A synthetic patient walks the journey once in every region. Each check judges its own step;
  what lies behind a broken step is inconclusive, not failed.

  @IV-FLOW-1
  Scenario: A patient can register
    When a synthetic patient walks the journey in every region
    Then the registration succeeds

  @IV-FLOW-2
  Scenario: A patient can log in
    When a synthetic patient walks the journey in every region
    Then the login succeeds

  @IV-FLOW-3
  Scenario: A patient can book an appointment, and it arrives
    When a synthetic patient walks the journey in every region
    Then the booking succeeds

  @IV-FLOW-4
  Scenario: A patient can pay
    When a synthetic patient walks the journey in every region
    Then the payment succeeds

  @IV-FLOW-5
  Scenario: A patient can start a video call
    When a synthetic patient walks the journey in every region
    Then the video call succeeds
