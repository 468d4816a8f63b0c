Feature: The release, its code and its build
  Runbook, T-7 days: "Code & Build", "Documentation". T-1 day: "No critical bugs in backlog".

  @T7-CODE-1
  Scenario: All code is merged to the release branch
    When the release's repository is read
    Then the release contains the release before it and the branches that must be merged
    And every request to merge that the release plans is merged into it
    And what release.yaml says is unchanged is unchanged

  @T7-CODE-2
  Scenario: The release branch is there
    When the release's repository is read
    Then the release branch ends at the release's commit

  @T7-CODE-3
  Scenario: All packages have the release's version
    When the release's repository is read
    Then every package.json has the release's version
    And every lock file has the release's version

  @T7-CODE-4
  Scenario: The changelog is updated
    When the release's repository is read
    Then the changelog has a dated entry of the release that says something

  @T7-CODE-5
  Scenario: The release is tagged
    When the release's repository is read
    Then the release's tag is on the release's commit
    And the tag is made and signed as the policy asks

  @T7-CODE-6
  Scenario: All pipelines of the release's commit are green
    When the release's repository is read
    Then every required pipeline of the commit is green
    And no other pipeline of the commit is anything else

  @T7-DOCS-1
  Scenario: The API's document is the one that is served
    When the release's repository is read
    Then the API's document of the commit is the one that is served, with the release's version

  @T7-DOCS-5
  Scenario: The release's notes are finished
    When the release's repository is read
    Then the release's notes say something and have nothing unfinished
    And "T7-DOCS-5" is signed as the policy asks

  @T1-GONOGO-3
  Scenario: No critical bug is open
    When the release's repository is read
    Then no critical bug is open
