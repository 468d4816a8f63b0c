Feature: Phase 3.1, container images
  Runbook, "Build and Push Docker Images": built, pushed, and under the release's tag the very image that was built.

  @D3.1-1
  Scenario: All images were built
    When the evidence of the image build is read
    Then the build passed
    And the evidence names the digest of every image

  @D3.1-2
  Scenario: All images are in the registry
    When the release's tag of every image is looked up in the registry
    Then every image is there

  @D3.1-3
  Scenario: Every tag leads to the image that was built
    When the release's tag of every image is looked up in the registry
    Then every tag leads to the digest of the build's evidence, and can't be moved if it must not
