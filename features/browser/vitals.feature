Feature: How long people wait for a page
  Largest paint, layout shifts, the answer to a key, bytes and requests of each page, loaded afresh.

  @WV-1
  Scenario: No page takes longer or costs more than it may
    When each page of the web application is loaded afresh
    Then none is slower, heavier or less steady than the policy allows, or than the release before
