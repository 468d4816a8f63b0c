Feature: Phase 6, external services
  Runbook, "6.1 Update DNS Records (if needed)" and "6.2 Verify External Integrations".

  @D6.1-1
  Scenario: The DNS records are verified or updated
    When the zone's servers are asked
    Then every authoritative server has the wanted records, the same serial and sane TTLs

  @D6.1-2
  Scenario: The DNS records have propagated
    When the zone's servers are asked
    Then every resolver has the wanted records within the policy's time

  @D6.2-1
  Scenario: The payment gateway works
    When the platform tries its external services in test mode
    Then the payment try succeeds in every region

  @D6.2-2
  Scenario: Text messages and mails are sent
    When the platform tries its external services in test mode
    Then the notifications try succeeds in every region

  @D6.2-3
  Scenario: The FHIR server is accessible
    When the FHIR server is asked in every region
    Then its CapabilityStatement is valid and offers what the platform needs
    And it offers all that the release before offered
    And it gives nothing to whom it does not know

  @D6.2-4
  Scenario: All external services respond
    When the external services are read in every region
    Then every expected service is reported
    And every expected service is healthy
    And every vendor is up; a red one comes with its support contact and the time it owes an answer
    And every vendor with its own address answers the gate
