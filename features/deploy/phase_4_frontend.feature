Feature: Phase 4.1, the web application
  Runbook, "Deploy Web Application": built, uploaded without left-overs, forgotten by the caches, served in every region.

  @D4.1-1
  Scenario: The web application was built
    When the evidence of the web build is read
    Then the build passed
    And the evidence names the digest of the bundle's manifest

  @D4.1-2
  Scenario: The bucket holds the bundle and nothing else
    When the bucket is compared with the build's manifest
    Then every file is there as it was built, and none is left over

  @D4.1-3
  Scenario: The caches have forgotten the old bundle
    When the invalidations since the upload are read
    Then one of everything is completed

  @D4.1-4
  Scenario: The site serves the new build in every region
    When the site is read in every region
    Then page and assets are those of the build, with the wanted cache headers
