Feature: The audit log in the countdown
  Runbook, T-7 days, Security & Compliance: "Audit logs enabled and tested".

  @T7-SEC-6
  Scenario: The audit log is on and records
    When the gate reads something harmless under a unique id in every region
    Then the audit log has exactly one entry of it: who, when, what
