Feature: A web service after its deployment

  @WEB-UP-1
  Scenario: The site answers
    When the status endpoint of the site is read in every region
    Then it answers with status 200 and JSON

  @WEB-UP-2
  Scenario: The site serves the release
    When the status endpoint of the site is read in every region
    Then it reports healthy
    And it reports the released version

  @WEB-PERF-1
  Scenario: Pages come fast
    When the events since the traffic switch are counted in every region
    Then they prove the policy's target

  @WEB-PERF-2
  Scenario: Pages come without errors
    When the events since the traffic switch are counted in every region
    Then they prove the policy's target and stay under its rollback limit
