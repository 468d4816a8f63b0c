Feature: External vendors
  Runbook, "External Vendors": AWS, Azure, Auth0 and Stripe with their support contacts and SLAs.

  @VENDOR-1
  Scenario: AWS, Azure, Auth0 and Stripe are up
    When the external services are read in every region
    Then every vendor is up; a red one comes with its support contact and the time it owes an answer
