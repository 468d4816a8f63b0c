Feature: Phase 4.2, mobile apps in use
  Runbook, "Deploy Mobile App Updates (Backend Only)": the apps are updated later; until then the API must speak to them as before.

  @D4.2-1
  Scenario: Mobile 1.0.0 understands the API
    When mobile 1.0.0 sends its requests in every region
    Then it can read every answer

  @D4.2-2
  Scenario: Mobile 1.1.0 understands the API
    When mobile 1.1.0 sends its requests in every region
    Then it can read every answer

  @D4.2-3
  Scenario: Nothing breaks for the mobile apps in use
    When the API's document is compared with the one of the release before
    Then no operation that a mobile app uses has a breaking change

  @CT-DIFF-1
  Scenario: Nothing breaks for anybody else who asks the API
    When the API's document is compared with the one of the release before
    Then no other operation has a breaking change
