Feature: Names, certificates and external services before the deployment
  Runbook, "T-7 Days", Infrastructure, and "T-2 Hours", Pre-Deployment Tasks.

  @T7-INFRA-6
  Scenario: The DNS records are reviewed and verified
    When the zone's servers are asked
    Then every authoritative server has the records of before or after the release, and sane TTLs

  @T7-INFRA-7
  Scenario: The certificates are valid for 30 days and more
    When TLS is spoken with every host in every region
    Then every certificate is trusted under its host's name and lasts as long as the policy wants

  @T2H-TASK-6
  Scenario: The external services are up
    When the external services are read in every region
    Then every expected service is reported
    And every expected service is healthy
    And every vendor is up; a red one comes with its support contact and the time it owes an answer
    And every vendor with its own address answers the gate
